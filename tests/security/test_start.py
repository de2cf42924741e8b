"""42. A production server that is set up unsafely does not start, and one that is set up as the documentation says is clean."""

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from registry.core.checks import refuse_unsafe_start
from registry.env import VARIABLES
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
