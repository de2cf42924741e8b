"""Trying a prompt without JavaScript: whole answers, clear refusals, nothing typed lost; and who may, how often, for how much."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import override_settings

from evals_app.engine.tryouts import MOST_IN_THREADS, MOST_OF_ONE, PLACES
from evals_app.models import DraftCase, SuiteAttachment, Tryout
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.actions.versions import save_draft
from prompts_app.models import Prompt
from registry.core.models import AuditEvent
from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn

TRY = "/w/acme/prompts/support/triage/drafts/try"


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with building.scripted() as running:
        building.add_provider(cast, running, models=["scripted", "other"])
        yield running


@pytest.fixture
def prompt(cast: Cast, provider: ScriptedProvider) -> Prompt:
    made = builders.prompt(cast.ada, "support/triage", text="Hello {{ name }}")
    builders.version(cast.ada, made, "Good day {{ name }}")
    return made


def typed(*sources: str, **fields: Any) -> dict[str, Any]:
    values = {"v_name": ["name"], "v_kind": [""], "v_sample": ["Ada"]}
    return {"source": sources, "model": [""] * len(sources), "do": "run", **values, **fields}


def test_try__two_versions_beside_each_other__answers_both_with_their_numbers(
    cast: Cast, as_: SignedIn, prompt: Prompt, provider: ScriptedProvider
) -> None:
    page = as_(cast.ada).post(TRY, typed("2", "1")).content.decode()

    assert "Good day Ada" in page and "Hello Ada" in page
    assert "3 in, 3 out" in page and "2 in, 2 out" in page and "not known" in page
    assert sorted(asked.question for asked in provider.asked) == ["Good day Ada", "Hello Ada"]
    used = as_(cast.vera).get("/w/acme/usage").content.decode()
    assert "Tried by hand" in used and "2 answers, 5 tokens in, 5 out; price not known for 2" in used
    rows = Tryout.objects.order_by("pk")
    assert [(row.version and row.version.number, row.is_settled, row.input_tokens) for row in rows] == [
        (2, True, 3),
        (1, True, 2),
    ]


def test_try__draft_and_another_model__asks_what_is_typed_of_that_model(
    cast: Cast, as_: SignedIn, prompt: Prompt, provider: ScriptedProvider
) -> None:
    save_draft(cast.ada, prompt, {"text": "Draft for {{ name }}"}, based_on=2)

    client = as_(cast.ada)
    start = client.get(TRY).context
    page = client.post(TRY, typed("draft", model=["scripted/other"])).content.decode()

    assert [one["typed"].source for one in start["columns"]] == ["draft", "2", ""]
    assert "Draft for Ada" in page and provider.asked[0].model == "other"
    assert Tryout.objects.get().version is None


def test_try__variable_left_empty__is_named_and_nothing_is_asked(
    cast: Cast, as_: SignedIn, prompt: Prompt, provider: ScriptedProvider
) -> None:
    answer = as_(cast.ada).post(TRY, typed("2", v_sample=[""]))

    assert answer.status_code == 422
    assert "name is required" in answer.content.decode()
    assert provider.calls == 0 and not Tryout.objects.exists()


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"source": ["7"]}, 404, "has no version 7"),
        ({"source": ["draft"]}, 404, "You have no draft"),
        ({"source": ["x"]}, 422, "Choose a version"),
        ({"source": [""], "model": [""]}, 422, "between one and 3"),
        ({"model": ["nobody/x"]}, 409, "no provider"),
        ({"messages": "{"}, 422, "not JSON"),
        ({"messages": '[{"type": "placeholder", "name": "x"}]'}, 422, "a list of messages"),
    ],
)
def test_try__of_what_there_is_not__says_so_and_keeps_what_was_typed(
    cast: Cast, as_: SignedIn, prompt: Prompt, fields: dict[str, Any], status: int, said: str
) -> None:
    answer = as_(cast.ada).post(TRY, typed("2") | fields)
    page = answer.content.decode()

    assert (answer.status_code, said in page, ">\nAda</textarea>" in page) == (status, True, True)


def test_try__provider_fails__says_what_it_answered(
    cast: Cast, as_: SignedIn, prompt: Prompt, provider: ScriptedProvider
) -> None:
    provider.script(Rule(status=401))

    page = as_(cast.ada).post(TRY, typed("2")).content.decode()

    assert "rejected" in page and "HTTP 401" in page
    assert (Tryout.objects.get().error, Tryout.objects.get().cost) == ("rejected", 0)


def test_try__endpoint_that_takes_no_question_in_pieces__is_asked_for_the_whole(
    cast: Cast, as_: SignedIn, prompt: Prompt, provider: ScriptedProvider
) -> None:
    provider.script(Rule(status=400, times=1), Rule(answer="whole"))

    page = as_(cast.ada).post(TRY, typed("2")).content.decode()

    assert ">whole</div>" in page
    assert ["stream" in asked.body for asked in provider.asked] == [True, False]


def test_try__on_a_case_of_a_suite__fills_in_its_values_and_conversation(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    case = {
        "key": "lost card",
        "variables": {"name": "Bo", "n": 3},
        "messages": [{"role": "user", "content": "Hm"}],
        "expected": "Hi",
    }
    building.suite(cast.ada, "greetings", of=[case])

    form = as_(cast.ada).post(TRY, typed("2", step="fill", case="greetings/lost card")).context

    assert [(value.name, value.text) for value in form["values"]] == [("name", "Bo"), ("n", "3")]
    assert '"content": "Hm"' in form["typed"].messages and form["typed"].expected == "Hi"
    missing = as_(cast.ada).post(TRY, typed("2", step="fill", case="greetings/x"))
    assert missing.status_code == 404 and "no case with that name" in missing.content.decode()


def test_try__who_may__is_who_may_spend_and_each_try_is_on_record_once(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    assert as_(cast.vera).get(TRY).status_code == 200
    assert as_(cast.vera).post(TRY, typed("2")).status_code == 403
    assert as_(cast.vera).post(f"{TRY}/run", typed("2")).json()["code"] == "actor.role"
    assert as_(cast.linus).post(f"{TRY}/run", typed("2")).status_code == 404

    as_(cast.ada).post(TRY, typed("2", "1"))

    [event] = AuditEvent.objects.filter(event="prompt.tried")
    assert event.actor_name == cast.ada.name and '"version":1' in event.detail


def test_try__more_than_one_person_or_the_process_bears__is_429_with_a_time_to_wait(
    cast: Cast, as_: SignedIn, prompt: Prompt, provider: ScriptedProvider
) -> None:
    taken = [PLACES.take(cast.ada.member_id, in_thread=False) for _ in range(MOST_OF_ONE)]
    taken += [PLACES.take(0, in_thread=True) for _ in range(MOST_IN_THREADS)]
    try:
        mine = as_(cast.ada).post(f"{TRY}/run", typed("2"))
        page = as_(cast.grace).post(TRY, typed("2"))
    finally:
        for place in taken:
            PLACES.give_back(place)

    assert (mine.status_code, mine.json()["code"], mine["Retry-After"]) == (429, "try.busy", "2")
    assert (page.status_code, page["Retry-After"]) == (429, "5") and "Too many people" in page.content.decode()
    assert as_(cast.ada).post(TRY, typed("2")).status_code == 200


def test_try__beyond_the_day_s_budget__is_refused_before_anything_is_asked(
    cast: Cast, as_: SignedIn, prompt: Prompt, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evals_app.engine.budget.cost_of", lambda **_: Decimal("0.75"))

    with override_settings(TRY_DAILY_BUDGET=1.0):
        first = as_(cast.ada).post(TRY, typed("2"))
        Tryout.objects.update(cost="0.75")
        second = as_(cast.grace).post(TRY, typed("2"))

    assert first.status_code == 200
    assert second.status_code == 409 and "may spend on trying today" in second.content.decode()
    assert provider.calls == 1 and AuditEvent.objects.filter(event="prompt.tried").count() == 1


def test_try__answer_added_to_a_suite__becomes_a_row_of_the_draft(cast: Cast, as_: SignedIn, prompt: Prompt) -> None:
    building.suite(cast.ada, "greetings", of=building.cases(3))
    client, given = as_(cast.ada), typed("2", expected="Hello!")

    asked = client.post(f"{TRY}/add", given)
    added = client.post(f"{TRY}/add", given | {"suite": "greetings", "key": "from a try"})

    assert asked.status_code == 200 and ">\nHello!</textarea>" in asked.content.decode()
    assert added["Location"].startswith("/w/acme/suites/greetings/edit?page=")
    row = DraftCase.objects.get(key="from a try")
    assert '"name": "Ada"' in row.content and '"expected": "Hello!"' in row.content


def test_try__answer_added_where_there_is_no_suite__makes_one_that_is_asked_of_the_prompt(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    client, given = as_(cast.ada), typed("2", expected="Hello!")

    asked = client.post(f"{TRY}/add", given).content.decode()
    added = client.post(f"{TRY}/add", given | {"title": "Greets by name", "key": "from a try"})

    assert "Title of a new suite" in asked and ">\nHello!</textarea>" in asked
    assert added["Location"].startswith("/w/acme/suites/greets-by-name/edit?page=")
    assert DraftCase.objects.filter(key="from a try").exists()
    assert SuiteAttachment.objects.filter(suite__slug="greets-by-name", prompt=prompt).exists()


def test_try__without_a_provider_or_a_version__says_what_to_do_first(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/triage", text="Hello")

    assert "An admin of this workspace adds a provider" in as_(cast.ada).get(TRY).content.decode()
