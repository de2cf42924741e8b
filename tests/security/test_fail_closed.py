"""66. What decides who may do what needs the database alone: with Valkey, the broker or a provider away nothing opens that was shut."""

import pytest
import redis
from django.db import OperationalError
from django.test import Client

from prompts_app.actions.promotions import open_promotion
from prompts_app.models import Deployment
from registry.celery import app
from registry.core import identity, valkey
from registry.core.errors import Unavailable
from tests.api.client import Api
from tests.builders import Cast, prompt


class Away:
    """Stands for anything that should answer and does not."""

    def __getattr__(self, name: str) -> object:
        raise redis.ConnectionError("nobody is there")


@pytest.fixture
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Valkey and the broker do not answer."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("nobody is there")

    monkeypatch.setattr(valkey, "client", Away)
    monkeypatch.setattr(app, "send_task", refuse)


def test_without_valkey__rights_approvals_and_workspaces_are_what_they_were(cast: Cast, nothing_else: None) -> None:
    asked = open_promotion(cast.ada, prompt(cast.ada).versions.get(), cast.environment("production"))
    blocked = Api(cast.rosa).act(asked.pk, "apply")
    assert (blocked.status, blocked.code) == (409, "promotion.blocked")
    assert Api(cast.rosa).get("prompts").status == 200, "reading goes on uncounted"
    assert Api(cast.ada).act(asked.pk, "approve", {"subject_hash": "0" * 64}).status == 403
    assert Api(cast.vera).post("prompts", {"name": "x", "kind": "text"}).status == 403
    assert Api(cast.linus).get(f"promotions/{asked.pk}").status == 404
    assert Api().get("prompts").status == 401
    assert not Deployment.objects.filter(environment=asked.environment).exists()


def test_without_valkey__nobody_signs_in_uncounted(cast: Cast, nothing_else: None) -> None:
    answer = Client().post("/sign-in", {"email": "olga@example.com", "password": "whatever it may be"})
    assert answer.status_code == 503


def test_without_the_database__no_key_is_taken_at_its_word(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    key = cast.key()

    def away(*_: object) -> None:
        raise OperationalError("nobody is there")

    monkeypatch.setattr(identity.ApiKey.objects, "usable", away)
    answer = Api(key).http.get("/api/v1/prompts", headers=key.headers)
    assert answer.status_code == 503
    with pytest.raises((OperationalError, Unavailable)):
        identity.actor_of_key(f"Bearer {key.token}")
