"""42. A production server that is set up unsafely does not start, and one that is set up as the documentation says is clean."""

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from ruamel.yaml import YAML

from registry.celery import app
from registry.core.checks import refuse_unsafe_start, serving_role
from registry.env import VARIABLES
from tests.scenes import as_superuser
from tests.servers import ROOT, environment

SAFE = {
    "IS_PRODUCTION": True,
    "SECRET_KEY": "k9" * 30,
    "ENCRYPTION_KEYS": ("b25seS1mb3ItdGhlLXRlc3QtcnVuLTMyLWJ5dGVzISE=",),
    "PUBLIC_URL": "https://greenroom.example",
    "FAILPOINT": "",
}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SECRET_KEY", "short", "SECRET_KEY is short"),
        ("SECRET_KEY", "django-insecure-" + "x" * 60, "SECRET_KEY is short or a sample"),
        ("ENCRYPTION_KEYS", (), "ENCRYPTION_KEYS is empty"),
        ("ENCRYPTION_KEYS", ("hunter2",), "no key"),
        ("PUBLIC_URL", "http://greenroom.example", "PUBLIC_URL is not https"),
        ("FAILPOINT", "before_commit", "FAILPOINT is set"),
    ],
)
def test_production__set_up_unsafely__does_not_start(name: str, value: object, said: str) -> None:
    with override_settings(**SAFE):
        refuse_unsafe_start()
    with override_settings(**{**SAFE, name: value}), pytest.raises(ImproperlyConfigured, match=said):
        refuse_unsafe_start()


@pytest.mark.parametrize("url", ["http://192.168.1.5:8000", "http://greenroom.lan", "http://0.0.0.0:8000"])
def test_laptop__that_would_serve_others_in_clear__does_not_start(url: str) -> None:
    for fine in ("http://127.0.0.1:8000", "http://localhost:8123", "http://[::1]:8000", "https://greenroom.lan"):
        with override_settings(IS_PRODUCTION=False, PUBLIC_URL=fine):
            refuse_unsafe_start()
    with (
        override_settings(IS_PRODUCTION=False, PUBLIC_URL=url),
        pytest.raises(ImproperlyConfigured, match="plain http"),
    ):
        refuse_unsafe_start()


@pytest.mark.django_db
def test_serving_role__that_may_rewrite_history__is_warned_of() -> None:
    with override_settings(**SAFE):
        assert serving_role() == []
        with as_superuser():
            assert [message.id for message in serving_role()] == ["greenroom.W001"]


def test_compose__each_variable_of_the_operators__reaches_the_processes_and_the_owners_password_the_migration_alone() -> (
    None
):
    """What is set in .env and not named there would silently do nothing."""
    composed = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    services, shared = composed["services"], composed["x-greenroom"]["environment"]
    left_out = {"DATABASE_OWNER_URL", "DATA_DIR", "FAILPOINT", "LOCAL_MODEL_URL", "SCRIPTED_PROVIDER_URL"}
    assert VARIABLES.keys() - shared.keys() == left_out
    of_traces = set(re.findall(r"`(OTEL_[A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text()))
    assert "OTEL_SERVICE_NAME" in of_traces
    assert of_traces <= shared.keys()
    assert [name for name, one in services.items() if "DATABASE_OWNER_URL" in one.get("environment", {})] == ["migrate"]
    assert shared["AUDIT_CHECKPOINT_DIR"] == "/checkpoints"
    for name in ("worker", "others", "web", "migrate"):
        assert any(volume.startswith("checkpoints:/checkpoints") for volume in services[name]["volumes"])


def test_compose__each_queue__has_a_worker() -> None:
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    commands = [one["command"] for one in services.values() if "worker" in one.get("command", [])]
    taken = {queue for command in commands for queue in command[command.index("-Q") + 1].split(",")}
    assert taken == {queue.name for queue in app.conf.task_queues}


def test_debug__is_off_for_good__whatever_the_environment_says() -> None:
    assert django_settings.DEBUG is False
    assert not [name for name in VARIABLES if "DEBUG" in name]


@pytest.mark.django_db
def test_check_deploy__of_a_server_set_up_as_documented__finds_nothing() -> None:
    owner = environment()["DATABASE_URL"]
    variables = {
        "GREENROOM_ENV": "production",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
        "ENCRYPTION_KEYS": SAFE["ENCRYPTION_KEYS"][0],  # type: ignore[index]
        "PUBLIC_URL": "https://greenroom.example",
        "TLS_TERMINATED_BY_PROXY": "1",
        "DATABASE_URL": re.sub(r"//[^@/]*@", "//greenroom_app@", owner),
        "DATABASE_OWNER_URL": owner,
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "EMAIL_URL": "smtp://user:password@mail.example:587",
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    answer = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "no issues" in answer.stdout
