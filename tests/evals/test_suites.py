import pytest

from evals_app.actions.suites import attach_suite, create_suite, detach_suite, save_suite_version
from evals_app.models import Case, Suite, SuiteAttachment, SuiteVersion
from prompts_app.models import CheckDefinition, CheckDefinitionChange, RequiredCheck
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound
from registry.core.models import AuditEvent
from tests import builders
from tests.builders import Cast
from tests.evals.building import cases, suite


def content(count: int = 60, **rules: object) -> dict[str, object]:
    return {"cases": cases(count), "scorers": [{"kind": "equals"}], "margin": 0.1, "repeats": 1, **rules}


def events() -> list[str]:
    rows = AuditEvent.objects.filter(subject_type="suite").order_by("sequence")
    return list(rows.values_list("event", flat=True))


def test_save__changed_content__is_the_next_version_with_its_cases(cast: Cast):
    made = create_suite(cast.ada, "numbers", title="Numbers")
    one = save_suite_version(cast.ada, made, content())
    two = save_suite_version(cast.grace, made, content(61))
    assert (one.version.number, two.version.number, two.version.case_count) == (1, 2, 61)
    assert one.version.digest != two.version.digest
    assert Case.objects.filter(suite_version=two.version).count() == 61
    assert two.version.load().to_json()["cases"] == content(61)["cases"]
    assert events() == ["suite.created", "suite.saved", "suite.saved"]


def test_save__same_content__is_the_newest_version_and_records_nothing(cast: Cast):
    made = suite(cast.ada)
    again = save_suite_version(cast.ada, made, content())
    assert (again.is_new, again.version.number) == (False, 1)
    assert events() == ["suite.created", "suite.saved"]


def test_save__scorer_with_a_refused_template__is_named_by_its_field(cast: Cast):
    made = create_suite(cast.ada, "numbers", title="Numbers")
    with pytest.raises(Invalid) as refused:
        save_suite_version(cast.ada, made, content(scorers=[{"kind": "equals", "value": "{% include 'x' %}"}]))
    assert [error.field for error in refused.value.errors] == ["scorers[0].value"]
    assert SuiteVersion.objects.count() == 0


def test_create__slug_taken_or_malformed__is_refused(cast: Cast):
    suite(cast.ada)
    with pytest.raises(Conflict):
        create_suite(cast.grace, "numbers", title="Again")
    for slug in ("", "With Blanks", "ä", "a" * 64, "a/b"):
        with pytest.raises(Invalid):
            create_suite(cast.ada, slug, title="x")
    with pytest.raises(Forbidden):
        create_suite(cast.vera, "mine", title="x")


def test_attach__required_but_too_small__is_refused_with_the_number_needed(cast: Cast):
    prompt = builders.prompt(cast.ada)
    small = suite(cast.ada, "small", of=cases(20))
    with pytest.raises(Conflict, match="25 cases"):
        attach_suite(cast.ada, small, prompt, required=True)
    attach_suite(cast.ada, small, prompt)
    critical = suite(cast.ada, "critical", of=cases(3), mode="all_pass")
    attach_suite(cast.ada, critical, prompt, required=True)
    assert RequiredCheck.objects.get().definition.name == "suite/critical"


def test_attach__required_without_a_version__is_refused(cast: Cast):
    with pytest.raises(Conflict, match="no saved version"):
        attach_suite(cast.ada, create_suite(cast.ada, "new", title="New"), builders.prompt(cast.ada), required=True)


def test_save__required_and_shrunk_below_its_minimum__is_refused(cast: Cast):
    made = suite(cast.ada)
    attach_suite(cast.ada, made, builders.prompt(cast.ada), required=True)
    with pytest.raises(Conflict, match="require this suite"):
        save_suite_version(cast.grace, made, content(20))


def test_gate__an_editor_changes_what_production_requires__is_refused_with_a_way_on(cast: Cast):
    prompt, made = builders.prompt(cast.ada), suite(cast.ada)
    attach_suite(cast.ada, made, prompt, required=True)
    attempts = [
        lambda: save_suite_version(cast.ada, made, content(70)),
        lambda: attach_suite(cast.ada, made, prompt, required=False),
        lambda: detach_suite(cast.ada, made, prompt),
        lambda: save_suite_version(cast.key().actor, made, content(70)),
        lambda: detach_suite(cast.key(name="other").actor, made, prompt),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden):
            attempt()
    with pytest.raises(Forbidden, match="ask a reviewer"):
        attempts[0]()
    assert save_suite_version(cast.grace, made, content(70)).is_new
    attach_suite(cast.grace, made, prompt, required=False)
    assert RequiredCheck.objects.count() == 0
    assert save_suite_version(cast.ada, made, content(71)).is_new


def test_gate__changed_by_a_reviewer__is_noted_so_that_they_do_not_approve(cast: Cast):
    made = suite(cast.ada)
    save_suite_version(cast.grace, made, content(70))
    changes = CheckDefinitionChange.objects.order_by("pk").values_list("by_id", flat=True)
    assert list(changes) == [cast.ada.member_id, cast.grace.member_id]
    assert CheckDefinition.objects.get().name == "suite/numbers"


def test_detach__not_attached__is_not_found(cast: Cast):
    prompt, made = builders.prompt(cast.ada), suite(cast.ada)
    with pytest.raises(NotFound):
        detach_suite(cast.ada, made, prompt)
    attach_suite(cast.ada, made, prompt, run_on="promotion")
    detach_suite(cast.ada, made, prompt)
    assert SuiteAttachment.objects.count() == 0 and Suite.objects.count() == 1
    assert events()[-2:] == ["suite.attached", "suite.detached"]
