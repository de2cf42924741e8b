"""Failpoints: inert unless named, and refused where people rely on the server."""

import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from registry.core import failpoints
from registry.core.checks import production_settings, refuse_unsafe_start
from tests.servers import ROOT, environment


def test_reach__no_failpoint_or_another__goes_on() -> None:
    failpoints.reach(failpoints.BEFORE_COMMIT)
    with override_settings(FAILPOINT=failpoints.AFTER_COMMIT):
        failpoints.reach(failpoints.BEFORE_COMMIT)


@pytest.mark.django_db
def test_reach__the_one_that_is_named__ends_the_process_without_a_word() -> None:
    code = (
        "import django; django.setup(); from registry.core import failpoints; "
        "failpoints.reach('before_commit'); print('alive', flush=True); failpoints.reach('after_commit'); print('alive')"
    )
    command = [sys.executable, "-c", code]
    variables = environment(FAILPOINT="after_commit", DJANGO_SETTINGS_MODULE="registry.settings")
    answer = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=60)
    assert (answer.returncode, answer.stdout.split()) == (failpoints.DIED, ["alive"])


@override_settings(IS_PRODUCTION=True, FAILPOINT="before_commit")
def test_production__with_a_failpoint__refuses_to_start() -> None:
    assert "greenroom.E004" in {message.id for message in production_settings()}
    with pytest.raises(ImproperlyConfigured, match="FAILPOINT is set"):
        refuse_unsafe_start()
