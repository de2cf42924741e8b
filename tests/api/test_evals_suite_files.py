"""Suites and results as files over the API, the difference of versions, and files read without keeping anything."""

import csv
import io
import json

import pytest

from evals_app.actions.runs import start_run
from evals_app.actions.suites import save_suite_version
from evals_app.models import PendingImport, SuiteDraft
from evals_app.scripted_provider import Rule
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals import building

FORMULA = "=HYPERLINK(1)"


def test_version__exported__reads_back_and_no_formula_is_left(cast: Cast) -> None:
    cases = [
        {"key": "a", "variables": {"q": FORMULA, "n": 5}, "expected": "-1"},
        {"key": "b", "variables": {}, "expected": "x"},
    ]
    building.suite(cast.ada, of=cases, mode="all_pass")
    ada, path = Api(cast.ada), "suites/numbers/versions/1/export"

    exported = {form: ada.get(f"{path}/{form}") for form in ("csv", "jsonl", "json")}

    assert {answer.status for answer in exported.values()} == {200}
    assert exported["csv"].headers["Content-Disposition"] == 'attachment; filename="numbers-v1.csv"'
    assert f"'{FORMULA}" in exported["csv"].body.decode() and f",{FORMULA}" not in exported["csv"].body.decode()
    for form, answer in exported.items():
        read = ada.post("suites/numbers/import", {"text": answer.body.decode(), "form": form})
        assert read.status == 200, read.json
        assert [one["case"] for one in read.json["cases"]] == cases and read.json["mistakes"] == []
    assert json.loads(exported["json"].body)["mode"] == "all_pass"
    assert ada.get(f"{path}/xlsx").status == 404


def test_run__exported__has_each_answer_and_no_formula(cast: Cast) -> None:
    prompt = builders.prompt(cast.ada, text="{{ q }}")
    with building.scripted(Rule(anywhere="3", answer=FORMULA)) as provider:
        building.add_provider(cast, provider)
        suite = building.suite(cast.ada, of=building.cases(5, tags=["@tag"]), mode="all_pass")
        run = building.work(start_run(cast.ada, prompt.versions.select_related("prompt").get(), suite, baseline=None))
    ada = Api(cast.ada)

    rows = list(csv.DictReader(io.StringIO(ada.get(f"runs/{run.pk}/export/csv").body.decode(), newline="")))
    lines = ada.get(f"runs/{run.pk}/export/jsonl").body.decode().splitlines()
    whole = ada.get(f"runs/{run.pk}/export/json").json

    assert (
        [row["case"] for row in rows] == [json.loads(line)["case"] for line in lines] == [one["case"] for one in whole]
    )
    assert sorted(row["case"] for row in rows) == [f"case-{n}" for n in range(5)]
    assert {row["output"] for row in rows if row["case"] == "case-3"} == {f"'{FORMULA}"}
    assert {one["output"] for one in whole if one["case"] == "case-3"} == {FORMULA}
    assert Api(cast.linus).get(f"runs/{run.pk}/export/csv").status == 404


def test_versions__compared_over_the_api__say_what_differs(cast: Cast) -> None:
    suite = building.suite(cast.ada, of=building.cases(40))
    save_suite_version(cast.ada, suite, {"cases": building.cases(41), "scorers": [{"kind": "equals"}], "margin": 0.2})

    found = Api(cast.vera).get("suites/numbers/versions/1/diff/2")

    assert (found.status, found.json["from"], found.json["to"]) == (200, 1, 2)
    assert found.json["summary"] == {"added": 1, "removed": 0, "changed": 0, "unchanged": 40}
    assert found.json["cases"][0]["key"] == "case-40" and found.json["cases"][0]["op"] == "added"
    assert {"field": "margin", "old": 0.1, "new": 0.2} in found.json["rules"]
    assert Api(cast.vera).get("suites/numbers/versions/1/diff/9").status == 404


def test_file__read_over_the_api__is_mapped_as_asked_and_nothing_is_kept(cast: Cast) -> None:
    building.suite(cast.ada)
    ada, path = Api(cast.ada), "suites/numbers/import"

    guessed = ada.post(path, {"text": "frage,answer\nA?,a\nB?,\n"})
    mapped = ada.post(
        path,
        {"text": "frage,answer\nA?,a\n", "columns": [{"column": "frage", "use": "variable", "name": "q", "tag": True}]},
    )
    promptfoo = ada.post(path, {"form": "promptfoo", "text": "tests:\n  - assert: [{type: python, value: x}]\n"})
    broken = ada.post(path, {"text": "a,a\n1,2\n"})

    assert [one["case"]["variables"] for one in guessed.json["cases"]] == [{"frage": "A?"}, {"frage": "B?"}]
    assert guessed.json["columns"][1] == {"column": "answer", "use": "expected"}
    assert mapped.json["cases"][0]["case"] == {"key": "A?", "variables": {"q": "A?"}, "tags": ["A?"]}
    assert "custom code is never run" in promptfoo.json["notes"][0]["message"]
    assert (broken.status, broken.json["errors"][0]["field"]) == (422, "file")
    assert not SuiteDraft.objects.exists() and not PendingImport.objects.exists()


@pytest.mark.parametrize(
    "body", [{}, {"text": 5}, {"text": "a", "form": "xlsx"}, {"text": "a", "columns": [{"use": "x"}]}, {"text": "a\0b"}]
)
def test_file__asked_wrongly__is_refused(cast: Cast, body: dict[str, object]) -> None:
    building.suite(cast.ada)
    assert Api(cast.ada).post("suites/numbers/import", body).status == 422
