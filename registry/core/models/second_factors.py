"""What people show besides, or instead of, a password."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.core.models.workspace import User


class Authenticator(models.Model):
    """An app that makes codes from a shared secret; it counts once a first code was right.

    `secret` is sealed for this row; `last_step` is the newest 30 seconds of which a code was used, so that none is used twice.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="authenticator")
    secret = models.TextField(blank=True, default="")
    last_step = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"authenticator {self.pk}"


class RecoveryCode(models.Model):
    """A way in without the authenticator, once; only its hash is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    code_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user"], condition=Q(used_at=None), name="recovery_code_unused")]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


class Passkey(models.Model):
    """A key pair on somebody's devices, of which the public half is here (WebAuthn's credential).

    `public_key` is a COSE key; `handle` names the account on the devices, the same in all passkeys of a person;
    `sign_count` only rises, and stays 0 where the devices do not count.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=80)
    credential_id = models.CharField(max_length=1400, unique=True)
    handle = models.CharField(max_length=88)
    public_key = models.BinaryField()
    sign_count = models.BigIntegerField(default=0)
    transports = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"passkey {self.pk}"


class ExternalIdentity(models.Model):
    """A person as the organisation's own sign-in knows them: by issuer and subject, whatever their address becomes."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="external_identities")
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="external_identity_is_one_person"),
            models.UniqueConstraint(fields=["user", "issuer"], name="external_identity_once_per_issuer"),
        ]

    def __str__(self) -> str:
        return f"external identity {self.pk}"
