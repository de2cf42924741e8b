"""Comparing models on pages: the form, the columns side by side, what is refused beside its field."""

from collections.abc import Iterator

import pytest

from evals_app.models import RunBatch, RunState
from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn

NEW = "/w/acme/runs/batches/new?prompt=support/triage"
FORM = {
    "version": "1",
    "suite": "numbers",
    "model_0": "own",
    "settings_0": "",
    "model_1": "",
    "settings_1": "",
    "model_2": "scripted/<b>small",
    "settings_2": '{"temperature": 0.5}',
}


@pytest.fixture(autouse=True)
def provider(cast: Cast) -> Iterator[None]:
    with building.scripted() as scripted:
        building.add_provider(cast, scripted, models=["scripted", "<b>small"])
        builders.prompt(cast.ada, text="{{ q }}")
        building.suite(cast.ada, of=building.cases(6))
        yield


def test_form__filled_in__starts_a_comparison_whose_page_moves_and_then_tells(cast: Cast, as_: SignedIn) -> None:
    ada = as_(cast.ada)

    there = ada.post(NEW, FORM)
    batch = RunBatch.objects.get()
    address = f"/w/acme/runs/batches/{batch.pk}"
    moving = ada.get(address).content.decode()
    building.work_all()
    part = ada.get(f"{address}/progress", headers={"HX-Request": "true"}).content.decode()
    ended = as_(cast.vera).get(address).content.decode()

    assert there["Location"] == address
    assert f'hx-get="{address}/progress"' in moving and f'href="{address}"' in moving and "0 of 12 answers" in moving
    assert "hx-get" not in part and "<html" not in part and "hx-get" not in ended.partition('id="live"')[2]
    first, second = batch.runs.order_by("batch_position")
    assert f'href="/w/acme/runs/{first.pk}/compare/{second.pk}"' in ended
    assert "&lt;b&gt;small" in ended and "<b>small" not in ended and "temperature 0.5" in ended
    assert ended.count("100\N{NO-BREAK SPACE}%") >= 4
    assert f'href="{address}"' in ada.get("/w/acme/runs/batches").content.decode()
    assert f'href="{address}"' in ada.get(f"/w/acme/runs/{first.pk}").content.decode()


def test_form__what_is_refused__is_said_beside_its_column_and_nothing_typed_is_lost(cast: Cast, as_: SignedIn) -> None:
    ada = as_(cast.ada)
    wrong = {**FORM, "model_2": "own", "settings_2": "{}"}

    same = ada.post(NEW, wrong)
    broken = ada.post(NEW, {**FORM, "settings_2": "hot"})
    alone = ada.post(NEW, {**FORM, "model_2": "", "settings_2": ""})

    assert [answer.status_code for answer in (same, broken, alone)] == [422, 422, 422]
    assert "in the same way as column 1" in str(same.context["form"].errors["model_2"])
    assert "as JSON" in str(broken.context["form"].errors["settings_2"]) and 'value="hot"' in broken.content.decode()
    assert "2 to 10 models" in str(alone.context["form"].non_field_errors())
    assert not RunBatch.objects.exists()


@pytest.mark.parametrize(
    "typed",
    [
        '{"temperature": 0.5, "temperature": 0.7}', '{"temperature": NaN}', '{"params": {"x": 1e999}}',
        '{"params": {"x": "\\u0000"}}', '{"params": {"x": "\\ud800"}}', "[" * 3_000,
    ],
)  # fmt: skip
def test_form__settings_that_are_not_json_as_the_api_takes_it__are_refused_beside_their_column(
    cast: Cast, as_: SignedIn, typed: str
) -> None:
    refused = as_(cast.ada).post(NEW, {**FORM, "settings_2": typed})
    assert refused.status_code == 422 and "as JSON" in str(refused.context["form"].errors["settings_2"])


def test_form__more_columns__keeps_what_was_typed(cast: Cast, as_: SignedIn) -> None:
    more = as_(cast.ada).post(NEW, {**FORM, "more": "1"}).content.decode()

    assert 'name="model_9"' in more and "&quot;temperature&quot;: 0.5" in more
    assert '<option value="scripted/&lt;b&gt;small" selected>' in more


def test_cancel__from_the_page__stops_every_run(cast: Cast, as_: SignedIn) -> None:
    ada = as_(cast.ada)
    ada.post(NEW, FORM)
    batch = RunBatch.objects.get()

    ada.post(f"/w/acme/runs/batches/{batch.pk}/cancel")

    assert {run.state for run in batch.runs.all()} == {RunState.CANCELLED}
    assert as_(cast.vera).post(f"/w/acme/runs/batches/{batch.pk}/cancel").status_code == 403
    assert as_(cast.linus).get(f"/w/acme/runs/batches/{batch.pk}").status_code == 404
