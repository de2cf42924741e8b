"""Free labels and what clients reported, on the pages of versions; labels are set, moved and taken away by forms."""

from datetime import UTC, datetime

from django.test import Client

from prompts_app.actions.labels import set_label
from prompts_app.actions.observations import Report, observe
from prompts_app.models import VersionLabel
from registry.core.models import AuditEvent
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.scenes import policy

PAGE = "/w/acme/prompts/support/triage/versions"


def text_of(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_label__set_moved_and_taken_away__by_forms_with_an_audit_row_each(cast: Cast, as_: SignedIn) -> None:
    ada, made = as_(cast.ada), builders.prompt(cast.ada)
    builders.version(cast.ada, made, "Hi {{ name }}")
    for number in (1, 2):
        answer = ada.post(f"{PAGE}/{number}/labels", {"label": "candidate"})
        assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}/{number}")
        assert VersionLabel.objects.get().version.number == number
    assert "candidate" in text_of(ada, PAGE) and "candidate" in text_of(ada, f"{PAGE}/2")
    assert 'value="candidate"' not in text_of(ada, f"{PAGE}/1")
    assert ada.post(f"{PAGE}/2/labels", {"remove": "candidate"}).status_code == 302
    assert not VersionLabel.objects.exists()
    assert ada.post(f"{PAGE}/2/labels", {"remove": "candidate"}).status_code == 404
    events = AuditEvent.objects.filter(event__startswith="label.").order_by("pk")
    assert [event.event for event in events] == ["label.set", "label.set", "label.removed"]


def test_label__that_is_an_environment_or_none__is_refused_beside_what_was_typed(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada)
    ada = as_(cast.ada)
    for typed, said in (
        ("production", "production is an environment: open a promotion to it."),
        ("latest", "newest version by itself"),
        ("Big <b>", "1 to 63 of"),
    ):
        answer = ada.post(f"{PAGE}/1/labels", {"label": typed})
        assert answer.status_code == 422 and said in answer.content.decode()
    assert not VersionLabel.objects.exists()


def test_page__of_a_version__explains_which_names_are_protected(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada)
    policy(cast, "staging", protected=True)
    page = text_of(as_(cast.ada), f"{PAGE}/1")
    assert "no key moves it by its label" in page
    for name in ("staging", "production"):
        assert f"/promotions?version=1&amp;environment={name}" in page
    assert "/promotions?version=1&amp;environment=development" not in page


def test_labels__for_who_may_only_read__are_shown_without_forms(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada)
    set_label(cast.ada, made.versions.select_related("prompt").get(), "kept")
    vera = as_(cast.vera)
    page = text_of(vera, f"{PAGE}/1")
    assert "kept" in page and "Take away" not in page and "Point it here" not in page
    for body in ({"label": "other"}, {"remove": "kept"}):
        assert vera.post(f"{PAGE}/1/labels", body).status_code == 403
    assert as_(cast.linus).post(f"{PAGE}/1/labels", {"label": "x"}).status_code == 404
    assert VersionLabel.objects.get().name == "kept"


def test_reports__of_clients__are_shown_by_model_with_median_and_tokens(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    service = cast.key("service", environment="development").actor
    times = (100, 300, 2_000)
    reports = [
        Report("support/triage", 1, f"s{number}", at, ms, 10, 20, "small<model>") for number, ms in enumerate(times)
    ]
    observe(service, [*reports, Report("support/triage", 1, "bare", at)])
    page = text_of(as_(cast.vera), f"{PAGE}/1")
    chip = '<span class="env" data-color="blue"><i class="env-mark"></i>Development</span>'
    assert "small&lt;model&gt;" in page and f"3 uses in {chip}" in page and "median 0.30 s" in page
    assert "10 tokens in, 20 out" in page and "no model told" in page
    assert "4 uses reported" in text_of(as_(cast.vera), PAGE)
