"""Another encryption key: stored secrets move over row by row, and one that cannot be opened stops nothing else."""

import base64
import os

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from evals_app.actions.providers import create_provider
from evals_app.provider_settings import parse_provider
from registry.core.actions.deliveries import deliver_webhook
from registry.core.actions.sealing import rotate_encryption_keys
from registry.core.actions.webhooks import create_webhook, rotate_webhook_secret, send_test_event
from registry.core.models import Webhook, WebhookTry
from registry.core.secrets import SecretUnreadable, is_sealed_with_newest_key, unseal
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests.builders import Cast

OLD, NEW = (base64.urlsafe_b64encode(os.urandom(32)).decode() for _ in range(2))
OLD_ONLY, BOTH, NEW_ONLY = ({"ENCRYPTION_KEYS": keys} for keys in ((OLD,), (NEW, OLD), (NEW,)))
HOOK = WebhookInput(WebhookSettings("hook", "http://127.0.0.1:9/"), None)


def provider(cast: Cast, name: str):
    body = {"name": name, "base_url": "http://127.0.0.1:9/v1", "models": ["m"], "api_key": f"key-of-{name}"}
    return create_provider(cast.olga, parse_provider(body, allow=frozenset({"127.0.0.1:9"})))


def test_rotation__under_both_keys__leaves_everything_to_the_new_one(cast: Cast) -> None:
    with override_settings(**OLD_ONLY):
        one, row = provider(cast, "one"), create_webhook(cast.olga, HOOK).row
        rotate_webhook_secret(cast.olga, row)
    with override_settings(**BOTH):
        assert (rotate_encryption_keys().sealed, rotate_encryption_keys().sealed) == (3, 0)
    with override_settings(**NEW_ONLY):
        one.refresh_from_db()
        assert unseal(one.sealed_key, context=one.key_context) == "key-of-one"
        row = Webhook.objects.get()
        assert unseal(row.old_secret, context=row.secret_context) != unseal(
            row.sealed_secret, context=row.secret_context
        )


def test_rotation__stopped_half_way__goes_on_and_names_what_no_key_opens(cast: Cast, capsys) -> None:
    with override_settings(**OLD_ONLY):
        lost, kept = provider(cast, "lost"), provider(cast, "kept")
    type(lost).objects.filter(pk=lost.pk).update(sealed_key="v1.00000000.AAAA")
    with override_settings(**BOTH):
        with pytest.raises(CommandError, match="1 cannot be opened"):
            call_command("rotate_encryption_keys")
        assert "00000000" in capsys.readouterr().err
        kept.refresh_from_db()
        assert is_sealed_with_newest_key(kept.sealed_key)


@pytest.mark.injects("F38 a secret whose key is gone", schedules=2)
def test_key__that_is_gone__is_said_where_it_is_needed_and_stops_nothing_else(cast: Cast) -> None:
    with override_settings(**OLD_ONLY):
        one, row = provider(cast, "one"), create_webhook(cast.olga, HOOK).row
    for keys in (NEW_ONLY, {"ENCRYPTION_KEYS": ()}):
        with override_settings(**keys, OUTBOUND_ALLOW=frozenset({"127.0.0.1:9"})):
            with pytest.raises(SecretUnreadable, match="not in ENCRYPTION_KEYS"):
                unseal(one.sealed_key, context=one.key_context)
            deliver_webhook(send_test_event(cast.olga, row).pk, owner="test")
            assert "not in ENCRYPTION_KEYS" in WebhookTry.objects.latest("pk").error
