"""A Langfuse server pulled over REST: begun, looked at, and taken over or left."""

from typing import Any

import pytest

from prompts_app.actions.pulls import run_pull
from prompts_app.models import PendingPrompts, Prompt
from registry.core import jobs
from registry.core.models import AuditEvent
from registry.core.permissions import CI_SCOPES
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.transfer.langfuse_stub import PUBLIC, SECRET, langfuse

pytestmark = pytest.mark.django_db


def server(url: str, **other: str) -> dict[str, str]:
    return {"url": url, "public_key": PUBLIC, "secret_key": SECRET, **other}


def test_server__pulled__is_previewed_and_then_taken_over_with_its_audit(
    cast: Cast, settings: Any, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    ada, sent = Api(cast.ada), []
    monkeypatch.setitem(jobs._looked_after, PendingPrompts, lambda pk, opener: sent.append((pk, opener)))
    assert ada.get("import/pending").code == "import.not_found"
    with langfuse() as stub:
        settings.OUTBOUND_ALLOW = frozenset({stub.url.removeprefix("http://")})
        stub.add("old/one", "Hello {{x}}", labels=("production",))
        stub.add("old/one", "Hi {{x}}", labels=("beta",))
        with django_capture_on_commit_callbacks(execute=True):
            begun = ada.post("import/langfuse", server(stub.url))
        assert (begun.status, begun.json["state"], begun.json["plan"]) == (202, "queued", None)
        assert SECRET.encode() not in begun.body
        assert ada.post("import/pending/take", {}).code == "import.unfinished"
        run_pull(*sent[0], owner="test")

    waits = ada.get("import/pending")
    assert (waits.status, waits.json["state"], waits.json["error"], waits.json["name"]) == (200, "done", "", stub.url)
    plan = waits.json["plan"]
    assert (plan["preview"], plan["new_prompts"], plan["new_versions"]) == (True, 1, 2)
    assert plan["prompts"][0]["labels"] == {"beta": 2}
    assert not Prompt.objects.exists() and SECRET.encode() not in waits.body

    before = AuditEvent.objects.count()
    taken = ada.post("import/pending/take", {})
    assert (taken.status, taken.json) == (200, {**plan, "preview": False})
    assert Prompt.objects.get(name="old/one").versions.count() == 2
    new = AuditEvent.objects.order_by("pk")[before:]
    assert {event.actor_name for event in new} == {"Ada"} and len(new) == 4
    assert ada.get("import/pending").status == ada.post("import/pending/take", {}).status == 404


def test_import__that_waits__is_of_one_person_and_can_be_left(cast: Cast) -> None:
    ada, url = Api(cast.ada), "https://langfuse.example.com"
    assert ada.post("import/langfuse", server(url)).status == 202
    assert Api(cast.grace).get("import/pending").status == Api(cast.linus).get("import/pending").status == 404
    assert ada.delete("import/pending").status == 204
    assert not PendingPrompts.objects.exists() and ada.delete("import/pending").status == 204


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (server("http://10.0.0.1"), "url"),
        (server("ftp://langfuse.example.com"), "url"),
        (server("https://langfuse.example.com", secret_key="a\nb"), "secret_key"),
        (server("https://langfuse.example.com", other="x"), "other"),
        ({"url": "https://langfuse.example.com"}, "public_key"),
    ],
)
def test_server__that_cannot_be_asked__is_422_without_its_secret(cast: Cast, sent: dict[str, str], field: str) -> None:
    answer = Api(cast.ada).post("import/langfuse", sent)
    assert answer.status == 422 and field in {error["field"] for error in answer.json["errors"]}
    assert SECRET.encode() not in answer.body and not PendingPrompts.objects.exists()


def test_keys__and_viewers__may_neither_begin_nor_take_over(cast: Cast) -> None:
    builders.prompt(cast.ada)
    key, vera = Api(cast.key(scopes=CI_SCOPES)), Api(cast.vera)
    for method, path in (
        ("POST", "import/langfuse"), ("GET", "import/pending"), ("DELETE", "import/pending"), ("POST", "import/pending/take"),
    ):  # fmt: skip
        assert key.call(method, path, None if method == "GET" else {}).code == "actor.key"
        assert vera.call(method, path, None if method == "GET" else {}).code == "actor.role"
