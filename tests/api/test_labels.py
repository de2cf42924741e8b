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
    assert ada.put(f"{AT}/1/labels/kept", {"version": 2}).json["errors"][0]["code"] == "unknown"
    assert ada.post(f"{AT}/1/yank", {"reason": "wrong"}).status == 200
    assert ada.put(f"{AT}/1/labels/kept", {}).code == "version.yanked"


def test_include__by_a_label_whose_name_an_environment_took_over__finds_what_is_live_there_or_nothing(cast: Cast):
    """A label that was set in time would else stand for what goes live there."""
    prompt(cast.ada, "part", text="unseen")
    ada = Api(cast.ada)
    assert ada.put("prompts/part/versions/1/labels/canary", {}).status == 200
    Api(cast.olga).post("environments", {"name": "canary"})
    assert ada.post("prompts", {"name": "whole", "kind": "text"}).status == 201

    refused = ada.post("prompts/whole/versions", {"text": "@@@langfusePrompt:name=part|label=canary@@@"})

    assert (refused.status, refused.code) == (422, "include.not_found")
