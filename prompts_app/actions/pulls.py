"""Reading all prompts of a Langfuse server, in the background. Its keys are kept nowhere.

The row holds them sealed by a key made for this reading, which travels only in the job's message; the seal is dropped when
the reading ends, whichever way. So a message that is lost cannot be sent again: the person starts anew.
"""

import json
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from prompts_app.models import ImportSource, PendingPrompts
from prompts_app.transfer.pulling import Source, pull_langfuse
from registry.core import jobs
from registry.core.actor import Actor
from registry.core.errors import invalid_field
from registry.core.fetching import FetchError
from registry.core.models import JobState
from registry.core.outbound import OutboundError, check_url
from registry.core.permissions import Permission, require, require_person

LEASE_S = 120.0
GIVEN_UP_AFTER = timedelta(minutes=15)
LOST = "The reading was interrupted, and its keys are kept nowhere: start it again."


def begin_pull(actor: Actor, url: str, *, public_key: str, secret_key: str) -> PendingPrompts:
    """Read everything at `url` in the background; it then waits to be looked at. Raises Invalid for what cannot be asked."""
    require_person(actor)
    require(actor, Permission.WRITE)
    source = checked_source(url, public_key, secret_key)
    opener = Fernet.generate_key()
    sealed = Fernet(opener).encrypt(json.dumps([source.public_key, source.secret_key]).encode()).decode()
    with transaction.atomic():
        PendingPrompts.objects.filter(member_id=actor.member_id).delete()
        row = PendingPrompts.objects.create(
            member_id=actor.member_id, source=ImportSource.LANGFUSE, name=source.url, sealed=sealed
        )
        jobs.hint_carrying(row, opener.decode())
    return row


def checked_source(url: str, public_key: str, secret_key: str) -> Source:
    """Where to read and with what; raises Invalid for an address that must not be connected to and for keys that are none."""
    try:
        check_url(url, allow=settings.OUTBOUND_ALLOW)
    except OutboundError as refused:
        raise invalid_field("url", "address", f"This address cannot be used: {refused}.") from None
    for field, key in (("public_key", public_key), ("secret_key", secret_key)):
        if not key.isascii() or not key.isprintable() or not 1 <= len(key) <= 500 or ":" in key:
            raise invalid_field(field, "format", "This is no key: 1 to 500 printable characters.")
    return Source(url.rstrip("/"), public_key, secret_key)


def run_pull(pk: int, opener: str, *, owner: str) -> None:
    """Do the reading: repeats do nothing once it has ended, and the keys are gone whichever way it ends."""
    row = jobs.claim(PendingPrompts, pk, owner=owner, lease_s=LEASE_S)
    if row is None:
        return
    held = row

    def tell(progress: str) -> None:
        if not jobs.extend(held, lease_s=LEASE_S):
            raise FetchError("nobody waits for it any more")
        PendingPrompts.objects.filter(pk=held.pk).update(progress=progress)

    try:
        public_key, secret_key = json.loads(Fernet(opener).decrypt(row.sealed.encode()))
        text = pull_langfuse(Source(row.name, public_key, secret_key), allow=settings.OUTBOUND_ALLOW, tell=tell)
    except (FetchError, OutboundError, InvalidToken) as error:
        why = LOST if isinstance(error, InvalidToken) else f"Not read: {error}."
        with transaction.atomic():
            jobs.held(row).update(sealed="")
            jobs.finish(row, state=JobState.ERROR, error=why)
        return
    with transaction.atomic():
        jobs.held(row).update(sealed="", text=text)
        jobs.finish(row)


def give_up_pull(pk: int) -> None:
    """End a reading whose message or worker was lost."""
    interrupted = Q(state=JobState.RUNNING, lease_until__lt=Now())
    forgotten = Q(state=JobState.QUEUED, began_at__lt=Now() - GIVEN_UP_AFTER)
    rows = PendingPrompts.objects.filter(interrupted | forgotten, pk=pk)
    rows.update(state=JobState.ERROR, error=LOST, sealed="", lease_until=None)
