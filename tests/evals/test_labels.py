"""What people say of answers: set and taken back by action, over the API and on the page of a case."""

from collections.abc import Iterator

import pytest
from django.test import Client

from evals_app.actions.labels import remove_label, set_label
from evals_app.actions.runs import start_run
from evals_app.models import Result, ResultLabel, Run
from evals_app.scripted_provider import Rule
from registry.core.errors import Conflict, Invalid, NotFound
from registry.core.models import AuditEvent, Member
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals.building import add_provider, cases, scripted, suite, work


@pytest.fixture
def run(cast: Cast) -> Iterator[Run]:
    """Three answers, of which that to case 1 is an error; two scorers."""
    with scripted(Rule(contains="1", status=400)) as provider:
        add_provider(cast, provider)
        version = builders.prompt(cast.ada, text="{{ q }}").versions.select_related("prompt").get()
        scorers = [{"kind": "equals"}, {"kind": "contains"}]
        made = suite(cast.ada, of=cases(3), scorers=scorers, mode="all_pass")
        yield work(start_run(cast.ada, version, made, baseline=None))


def result(run: Run, key: str = "case-0") -> Result:
    return Result.objects.select_related("case", "run__prompt").get(run=run, case__key=key)


def test_label__set_twice__is_one_and_says_the_last(cast: Cast, run: Run) -> None:
    set_label(cast.ada, result(run), label="passed")
    set_label(cast.ada, result(run), label="failed", note="  rude ")
    set_label(cast.ada, result(run), label="passed", scorer="contains")
    set_label(cast.grace, result(run), label="passed")

    said = set(ResultLabel.objects.values_list("member_id", "scorer", "label", "note"))

    ada, grace = cast.ada.member_id, cast.grace.member_id
    assert said == {(ada, "", "failed", "rude"), (ada, "contains", "passed", ""), (grace, "", "passed", "")}
    assert AuditEvent.objects.filter(event="result.labelled").count() == 4


def test_label__on_what_cannot_have_one__is_refused(cast: Cast, run: Run) -> None:
    with pytest.raises(Conflict, match="error"):
        set_label(cast.ada, result(run, "case-1"), label="passed")
    with pytest.raises(Invalid, match="scorer of that name"):
        set_label(cast.ada, result(run), label="passed", scorer="rubric")
    with pytest.raises(Invalid):
        set_label(cast.ada, result(run), label="perhaps")
    with pytest.raises(NotFound):
        remove_label(cast.grace, result(run))
    assert not ResultLabel.objects.exists()


def test_label__changes_no_verdict(cast: Cast, run: Run) -> None:
    before = (run.verdict, run.summary, result(run).is_passed)
    set_label(cast.ada, result(run), label="failed")
    run.refresh_from_db()
    assert (run.verdict, run.summary, result(run).is_passed) == before


def test_api__label__is_set_shown_with_the_result_and_taken_back(cast: Cast, run: Run) -> None:
    api, pk = Api(cast.ada), result(run).pk

    said = api.post(f"runs/{run.pk}/results/{pk}/label", {"label": "failed", "note": "wrong tone"})
    shown = Api(cast.vera).get(f"runs/{run.pk}/results").json["results"]
    unknown = api.post(f"runs/{run.pk}/results/{pk}/label", {"label": "failed", "mood": "bad"})
    elsewhere = api.post(f"runs/{run.pk}/results/{pk + 99_999}/label", {"label": "failed"})
    gone = api.delete(f"runs/{run.pk}/results/{pk}/label")

    assert (said.status, said.json["by"], said.json["result"]) == (200, "ada@example.com", pk)
    assert [one["labels"] for one in shown if one["id"] == pk] == [[said.json]]
    assert (unknown.status, elsewhere.status, gone.status) == (422, 404, 204)
    assert not ResultLabel.objects.exists()


def client_of(cast: Cast) -> Client:
    client = Client()
    client.force_login(Member.objects.get(pk=cast.ada.member_id).user)
    return client


def test_page__label__is_set_and_taken_back_without_a_script(cast: Cast, run: Run) -> None:
    client, path = client_of(cast), f"/w/acme/runs/{run.pk}/cases/1"
    form = {"result": result(run).pk, "scorer": "contains", "note": "<b>no</b>"}

    said = client.post(f"{path}/label?status=failed", {**form, "label": "failed"})
    page = client.get(path).content.decode()
    client.post(f"{path}/label", {**form, "label": "remove"})

    assert said.headers["Location"] == f"{path}?status=failed"
    assert "&lt;b&gt;no&lt;/b&gt;" in page and "Take back" in page and "of contains" in page
    assert not ResultLabel.objects.exists()


def test_page__label_refused__stands_beside_its_answer_with_what_was_typed(cast: Cast, run: Run) -> None:
    client, path = client_of(cast), f"/w/acme/runs/{run.pk}/cases/1"
    answer = client.post(
        f"{path}/label", {"result": result(run).pk, "label": "perhaps", "scorer": "contains", "note": "my thoughts"}
    )
    assert answer.status_code == 422
    assert 'value="contains" selected' in answer.content.decode()
    assert "my thoughts" in answer.content.decode() and "One of: passed, failed." in answer.content.decode()
