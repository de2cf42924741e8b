"""Free labels over REST."""

from prompts_app.models import VersionLabel
from tests.api.client import Api
from tests.builders import Cast, prompt, version

AT = "prompts/support/triage/versions"


def test_label__set_moved_and_removed__points_where_it_was_put(cast: Cast):
    made = prompt(cast.ada)
    version(cast.ada, made, "two")
    ada = Api(cast.ada)
    assert ada.put(f"{AT}/1/labels/kept", {}).json["version"] == 1
    assert ada.put(f"{AT}/2/labels/kept", {}).json["version"] == 2
    [row] = ada.get(f"{AT}/labels").json["results"]
    assert (row["label"], row["version"]) == ("kept", 2)
    assert ada.delete(f"{AT}/1/labels/kept").code == "label.not_found"
    assert ada.delete(f"{AT}/2/labels/kept").status == 204
    assert not VersionLabel.objects.exists()


def test_label__that_cannot_be__is_refused(cast: Cast):
    version(cast.ada, prompt(cast.ada), "two")
    ada = Api(cast.ada)
    for label in ("production", "latest", "Big", "a b"):
        assert ada.put(f"{AT}/1/labels/{label}", {}).status == 422, label
    assert ada.post(f"{AT}/1/yank", {"reason": "wrong"}).status == 200
    assert ada.put(f"{AT}/1/labels/kept", {}).code == "version.yanked"
