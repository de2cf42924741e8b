"""The main job through REST alone: real processes, four people, a pipeline's key, a service's key, a scripted provider."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
import pytest
from django.core.management import call_command

from evals_app.scripted_provider import MODEL_NAME, Rule, ScriptedProvider
from registry.core.audit import verify_chain
from registry.core.models import Workspace
from tests.servers import run_web, run_worker

NAME = "support/is-it-about-a-card"
PATIENCE_S = 60
FIRST = "Is this message about a card? Answer yes or no."
WORSE = f"{FIRST} Think step by step."
BETTER = f"{FIRST} Answer with one word."
# The scripted model loses its brevity when it is told to think.
RULES = (
    Rule(anywhere="step by step", contains="card", answer="The message mentions a card, so: yes"),
    Rule(contains="card", answer="yes"),
    Rule(answer="no"),
)
CASES = [
    {
        "key": f"c{n}",
        "variables": {"message": f"Message {n}: {'my card was declined' if n % 2 else 'I forgot my password'}"},
        "expected": "yes" if n % 2 else "no",
    }
    for n in range(25)
]


class Caller:
    """Somebody with a session or a key."""

    def __init__(self, url: str, *, token: str = "", key: str = "") -> None:
        self.http = httpx.Client(base_url=f"{url}/api/v1/", timeout=30, trust_env=False)
        if key:
            self.http.headers["Authorization"] = f"Bearer {key}"
        else:
            signed_in = self.http.post("session", json={"token": token})
            assert signed_in.status_code == httpx.codes.OK, signed_in.text
            self.http.headers["X-CSRFToken"] = signed_in.json()["csrf_token"]

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def post(self, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        answer = self.http.post(path, json=body or {}, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def act(self, promotion: int, action: str, body: Any = None, *, status: int = 200) -> Any:
        """A POST below a promotion, on the state it has now."""
        seen = self.get(f"promotions/{promotion}")
        return self.post(f"promotions/{promotion}/{action}", body, status=status, If_Match=seen.headers["ETag"])


@dataclass(frozen=True)
class Cast:
    """Everybody who calls."""

    olga: Caller
    ada: Caller
    grace: Caller
    rosa: Caller
    ci: Caller
    service: Caller


def command(called: str, **options: Any) -> dict[str, Any]:
    """What a management command prints: one line of JSON."""
    out = io.StringIO()
    call_command(called, json=True, stdout=out, **options)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.fixture
def cast(transactional_db: None, tmp_path: Path) -> Iterator[Cast]:
    """A workspace as the command makes it, with its default policies; web, worker and provider run."""
    with ScriptedProvider(RULES) as provider:
        allowed = {"OUTBOUND_ALLOW": f"127.0.0.1:{provider.port}"}
        with run_web(tmp_path, **allowed) as web, run_worker(tmp_path, **allowed):
            made = command("create_workspace", name="acme", owner="olga@example.com")
            roles = {"ada": "editor", "grace": "reviewer", "rosa": "releaser"}
            people = {
                name: Caller(
                    web.url,
                    token=command("create_member", workspace="acme", email=f"{name}@example.com", role=role)["token"],
                )
                for name, role in roles.items()
            }
            keys = made["keys"]
            olga = Caller(web.url, token=made["owner"]["token"])
            body = {"name": "scripted", "base_url": provider.base_url, "models": [MODEL_NAME], "default": True}
            olga.post("providers", body, status=201)
            yield Cast(
                olga=olga,
                **people,
                ci=Caller(web.url, key=keys["ci"]),
                service=Caller(web.url, key=keys["service"]["production"]),
            )


def test_story__write_run_refuse_fix_approve_promote_fetch_roll_back__through_rest(cast: Cast) -> None:
    _write_prompt_and_suite(cast)
    assert _fetch(cast).status_code == httpx.codes.NOT_FOUND
    _promote(cast, version=1)
    first = _fetch(cast)
    assert first.json()["messages"][0]["content"] == FIRST
    assert _fetch(cast, first.headers["ETag"]).status_code == httpx.codes.NOT_MODIFIED

    _save(cast.ci, WORSE, based_on=1)
    refused = _ask(cast.ci, version=2, environment="staging")
    judged = _wait_for_check(cast.ada, refused)
    assert judged["checks"][0]["state"] == "failed"
    blocked = cast.rosa.act(refused, "apply", status=409)
    assert "check.suite/cards.failed" in {one["code"] for one in blocked["blockers"]}

    _save(cast.ada, BETTER, based_on=2)
    difference = cast.grace.get(f"prompts/{quote(NAME, safe='')}/diff?from=1&to=3").json()
    assert difference["breaking"] is False
    assert ["insert", " Answer with one word."] in difference["messages"][0]["words"]
    deployed = _promote(cast, version=3)
    second = _fetch(cast, first.headers["ETag"])
    assert (second.status_code, second.json()["version"]) == (200, 3)
    assert second.json()["revision"] == deployed["revision"]

    back = cast.rosa.post(f"environments/production/prompts/{NAME}/rollback", {"reason": "Tickets pile up."})
    third = _fetch(cast)
    assert (third.json()["version"], third.json()["revision"]) == (1, back["revision"])
    assert third.json()["digest"] == first.json()["digest"]
    assert third.json()["messages"] == first.json()["messages"]
    again = _ask(cast.ada, version=3, environment="production")
    codes = {one["code"] for one in cast.rosa.get(f"promotions/{again}").json()["blockers"]}
    assert "digest.quarantined" in codes

    audit = cast.olga.get("audit/verify").json()
    assert audit["ok"] and verify_chain(Workspace.objects.get(slug="acme").pk).ok
    assert any(line["topic"] == "deployment.created" for line in _inbox(cast.ada))


def _write_prompt_and_suite(cast: Cast) -> None:
    cast.ada.post("prompts", {"name": NAME, "kind": "chat"}, status=201)
    cast.ada.post("suites", {"slug": "cards", "title": "About cards"}, status=201)
    rules = {"scorers": [{"kind": "equals"}], "mode": "non_inferior", "margin": 0.1, "repeats": 1}
    cast.ada.post("suites/cards/versions", {"cases": CASES, **rules}, status=201)
    cast.ada.post("suites/cards/attachments", {"prompt": NAME, "required": True}, status=201)
    _save(cast.ada, FIRST, based_on=None)


def _save(caller: Caller, text: str, *, based_on: int | None) -> None:
    messages = [{"role": "system", "content": text}, {"role": "user", "content": "{{ message }}"}]
    body = {"messages": messages, "config": {"temperature": 0}, "based_on": based_on}
    caller.post(f"prompts/{NAME}/versions", body, status=201, Idempotency_Key=text)
    caller.post(f"prompts/{NAME}/versions", body, status=201, Idempotency_Key=text)


def _promote(cast: Cast, *, version: int) -> Any:
    """Through staging to production: evidence, a reviewer, a releaser."""
    staging = _ask(cast.ada, version=version, environment="staging")
    assert _wait_for_check(cast.ada, staging)["checks"][0]["state"] == "passed"
    cast.rosa.act(staging, "apply")
    asked = _ask(cast.ada, version=version, environment="production")
    judged = _wait_for_check(cast.grace, asked)
    assert "approve" in judged["allowed"]
    cast.grace.act(asked, "approve", {"subject_hash": judged["subject_hash"], "comment": "Looks right."})
    cast.ci.post(f"promotions/{asked}/apply", status=403)
    applied = cast.rosa.act(asked, "apply")
    assert (applied["state"], applied["propagated"]) == ("applied", True)
    return applied


def _ask(caller: Caller, *, version: int, environment: str) -> int:
    body = {"prompt": NAME, "version": version, "environment": environment}
    number: int = caller.post("promotions", body, status=201)["id"]
    return number


def _wait_for_check(caller: Caller, promotion: int) -> Any:
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        found = caller.get(f"promotions/{promotion}").json()
        if found["checks"] and found["checks"][0]["state"] not in {"missing", "pending"}:
            return found
        time.sleep(0.3)
    raise AssertionError(f"no evidence after {PATIENCE_S} s: {found}")


def _fetch(cast: Cast, known: str = "") -> httpx.Response:
    return cast.service.get(f"environments/production/prompts/{NAME}", **({"If-None-Match": known} if known else {}))


def _inbox(caller: Caller) -> Any:
    """What a person was told; news are delivered a moment after their commit."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends and not (lines := caller.get("notifications").json()["results"]):
        time.sleep(0.3)
    return lines
