"""The demo: seeded once, and a story that its people tell through the actions while the workers answer."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from django.core.management import call_command
from django.test import override_settings

from evals_app.actions import demo
from evals_app.actions.demo import seed_demo
from evals_app.actions.demo_story import continue_story
from evals_app.demo import banking, people
from evals_app.demo.library import DATA, library
from evals_app.local_model import MODEL_NAME, THREADS, is_installed
from evals_app.models import DemoStory, Provider, Run
from evals_app.provider_settings import parse_provider
from evals_app.scripted_provider import Rule, ScriptedProvider, rules_from
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import create_version
from prompts_app.facts import judge, live_deployment
from prompts_app.gates import standing
from prompts_app.models import Approval, Comment, Deployment, Environment, Promotion, Prompt, PromptVersion
from registry.core.actions.workspaces import find_member
from registry.core.actor import Actor
from registry.core.audit import verify_chain
from registry.core.identity import actor_of_member
from registry.core.models import AuditEvent, Member, Notification, SignInLink, Workspace
from tests.builders import deliver, make_cast
from tests.evals.building import scripted, work_all

RECORDED = rules_from((DATA / "scripted_rules.json").read_text(encoding="utf-8"))


@pytest.fixture
def provider(db: None) -> Iterator[ScriptedProvider]:
    """Answers as the small model did."""
    with scripted(*RECORDED) as provider:
        yield provider


@pytest.fixture
def two_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The story beside a short library: forty prompts take seconds."""
    first_two = library()[:2]
    monkeypatch.setattr(demo, "library", lambda: first_two)


def seed(provider: ScriptedProvider) -> Workspace:
    body = {"name": "scripted", "base_url": provider.base_url, "models": ["scripted"], "default": True}
    given = parse_provider(body, allow=frozenset({f"127.0.0.1:{provider.port}"}))
    return seed_demo(provider=given).workspace


def go_on() -> None:
    """Let the workers work until nothing is left to do."""
    while deliver() or Run.objects.open().exists():
        work_all()


def member(workspace: Workspace, person: people.Person) -> Actor:
    return actor_of_member(find_member(workspace.pk, person.email))


def live(prompt: Prompt, environment: str) -> int | None:
    place = Environment.objects.in_workspace(prompt.workspace_id).get(name=environment)
    deployment = live_deployment(prompt, place)
    return deployment.version.number if deployment and deployment.version else None


def promotion(prompt: Prompt, number: int, environment: str) -> Promotion:
    return Promotion.objects.get(prompt=prompt, version__number=number, environment__name=environment)


def in_the_way(workspace: Workspace, of: Promotion) -> set[str]:
    return {blocker.code for blocker in standing(judge(of, member(workspace, people.ROSA)).blockers)}


def test_demo__seeded__forty_real_prompts_with_their_dates(provider: ScriptedProvider) -> None:
    workspace = seed(provider)
    assert provider.calls == 0
    assert Run.objects.count() == 0, "nothing is inserted as a finished result"
    assert Prompt.objects.in_workspace(workspace.pk).count() == 41
    for given in library():
        prompt = find_prompt(workspace.pk, given.name)
        versions = list(prompt.versions.order_by("number"))
        assert [version.created_at for version in versions] == [version.written_at for version in given.versions]
        assert [version.to_json()["text"] for version in versions] == [version.text for version in given.versions]
        assert prompt.created_at == versions[0].created_at
        assert live(prompt, "staging") == (given.in_staging or None)
        assert live(prompt, "development") == len(versions)
    assert max(prompt.last_number for prompt in Prompt.objects.all()) == 4
    assert_people_did_it(workspace)


def assert_people_did_it(workspace: Workspace) -> None:
    """Through the actions, which leave their traces."""
    members = Member.objects.in_workspace(workspace.pk).select_related("user")
    assert {row.user.name: row.role for row in members} == {
        "Ada Editor": "editor",
        "Grace Reviewer": "reviewer",
        "Rosa Owner": "owner",
    }
    saved = AuditEvent.objects.filter(workspace=workspace, event="version.created")
    assert saved.count() == PromptVersion.objects.in_workspace(workspace.pk).count()
    assert set(saved.values_list("actor_name", flat=True)) == {"Ada Editor"}
    assert verify_chain(workspace.pk).ok


@pytest.mark.usefixtures("two_prompts")
def test_demo__story__ends_with_one_live_one_refused_and_one_waiting(provider: ScriptedProvider) -> None:
    workspace = seed(provider)
    go_on()
    prompt = find_prompt(workspace.pk, banking.PROMPT)
    assert provider.calls == 60 + 120 + 120

    first = Deployment.objects.get(prompt=prompt, environment__name="production")
    assert (first.version.number, first.actor_name) == (1, "Rosa Owner")
    evidence = json.loads(first.evidence)
    assert [(check["name"], check["state"]) for check in evidence["checks"]] == [("suite/banking-intents", "passed")]
    assert [vote["by"] for vote in evidence["approvals"]] == ["Grace Reviewer"]

    refused = promotion(prompt, 2, "production")
    assert refused.is_pending
    assert "check.suite/banking-intents.failed" in in_the_way(workspace, refused)
    assert Comment.objects.filter(promotion=refused, author_name="Ada Editor").count() == 1
    assert promotion(prompt, 2, "staging").state == "closed"

    waiting = promotion(prompt, 3, "production")
    assert waiting.is_pending
    assert in_the_way(workspace, waiting) == {"approvals.insufficient"}
    assert {place: live(prompt, place) for place in ("development", "staging", "production")} == {
        "development": 3,
        "staging": 3,
        "production": 1,
    }
    assert verify_chain(workspace.pk).ok
    unread = Notification.objects.filter(workspace=workspace, read_at=None)
    assert 0 < unread.count() < 20, "the inbox holds the story, not the library"
    assert_numbers_are_those_measured()
    assert_repeats_change_nothing(workspace)


def assert_numbers_are_those_measured() -> None:
    """As the docstring of `banking` has them."""
    runs = list(Run.objects.order_by("pk").select_related("candidate"))
    assert [(run.candidate.number, run.verdict) for run in runs] == [(1, "passed"), (2, "failed"), (3, "passed")]
    metrics = [run.metrics.get(name="passes") for run in runs]
    assert [round(metric.mean_new * 60) for metric in metrics] == [45, 13, 49]
    bounds = [metrics[0].lower, metrics[1].upper, metrics[2].lower]
    assert [round(bound, 3) for bound in bounds] == [0.649, -0.395, -0.001]


def assert_repeats_change_nothing(workspace: Workspace) -> None:
    before = (AuditEvent.objects.count(), Run.objects.count(), Promotion.objects.count(), Approval.objects.count())
    assert continue_story(workspace.pk) == ""
    assert seed_demo(provider=None).is_new is False
    assert deliver() == 0
    after = (AuditEvent.objects.count(), Run.objects.count(), Promotion.objects.count(), Approval.objects.count())
    assert after == before


def test_story__elsewhere__does_nothing(provider: ScriptedProvider) -> None:
    assert continue_story(make_cast().workspace.pk) == ""
    assert not DemoStory.objects.exists()


@pytest.mark.usefixtures("two_prompts")
def test_story__visitor_saves_a_version__ends(provider: ScriptedProvider) -> None:
    workspace = seed(provider)
    prompt = find_prompt(workspace.pk, banking.PROMPT)
    create_version(member(workspace, people.ROSA), prompt, banking.content(3), message="my own")
    go_on()
    assert prompt.versions.count() == 2
    assert live(prompt, "production") is None


@pytest.mark.usefixtures("two_prompts")
def test_story__another_model_fails_the_floor__nothing_is_promoted(db: None) -> None:
    with scripted(Rule(answer='{"intent": "other"}')) as provider:
        workspace = seed(provider)
        go_on()
    prompt = find_prompt(workspace.pk, banking.PROMPT)
    assert prompt.versions.count() == 1
    assert live(prompt, "staging") is None
    assert in_the_way(workspace, promotion(prompt, 1, "staging")) == {"check.suite/banking-intents.failed"}


@pytest.mark.usefixtures("two_prompts")
def test_commands__seed_then_links__say_what_they_did(
    provider: ScriptedProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("demo_links")
    assert capsys.readouterr().out == ""
    with override_settings(LOCAL_MODEL_URL="", SCRIPTED_PROVIDER_URL=provider.base_url):
        call_command("seed_demo")
        assert "a script answers" in capsys.readouterr().out
        assert Provider.objects.get().timeout_s == 60
        call_command("seed_demo")
        assert "nothing was changed" in capsys.readouterr().out
    call_command("demo_links")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["Ada", "Editor", "editor"],
        ["Grace", "Reviewer", "reviewer"],
        ["Rosa", "Owner", "owner"],
    ]
    assert all("/sign-in/" in line for line in lines)
    assert SignInLink.objects.count() == 3


@pytest.mark.usefixtures("two_prompts")
def test_commands__model_has_moved__the_demo_follows_it(capsys: pytest.CaptureFixture[str], db: None) -> None:
    def url(port: int) -> str:
        return f"http://127.0.0.1:{port}/v1"

    with override_settings(OUTBOUND_ALLOW=frozenset({"127.0.0.1:8833", "127.0.0.1:8899"})):
        with override_settings(LOCAL_MODEL_URL=url(8833)):
            call_command("seed_demo", "--follow")
            assert not Workspace.objects.exists(), "a demo that was deleted does not come back"
            call_command("seed_demo")
            capsys.readouterr()
            call_command("seed_demo", "--follow")
            assert capsys.readouterr().out == ""
        with override_settings(LOCAL_MODEL_URL=url(8899)):
            call_command("seed_demo", "--follow")
            assert "listens elsewhere" in capsys.readouterr().out
    row = Provider.objects.get()
    assert (row.concurrency, row.timeout_s) == (THREADS, 300), "it is the slowest of all, and slower beside other work"
    assert (row.base_url, row.is_default, row.model_names) == (url(8899), True, [MODEL_NAME])
    assert AuditEvent.objects.get(event="provider.changed").actor_name == "Rosa Owner"


@pytest.fixture
def local_model() -> Iterator[str]:
    """The real one, on a free port of the loopback interface; stopped by its pid."""
    if not is_installed():
        pytest.skip("it needs the extra local-model, which `make test` installs where its wheels exist")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "evals_app.local_model", "--port", str(port)], stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}/v1"
        _wait_for(url, process)
        yield url
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(10)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the model's server ended"
        try:
            if httpx.get(f"{url}/models", timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the model does not answer")


@pytest.mark.model
def test_model__classifies__in_the_form_asked_for(local_model: str) -> None:
    body = {name: value for name, value in banking.content(1).items() if name == "response_format"}
    config = banking.content(1)["config"]
    [system, _] = banking.content(1)["messages"]
    right = 0
    for case in banking.cases()[::10]:
        messages = [system, {"role": "user", "content": case["variables"]["message"]}]
        question = {"model": MODEL_NAME, "messages": messages, **config, **body}
        answer = httpx.post(f"{local_model}/chat/completions", json=question, timeout=60, trust_env=False).json()
        intent = json.loads(answer["choices"][0]["message"]["content"])["intent"]
        assert intent in banking.INTENTS
        right += intent == case["expected"]
    assert right >= 2
