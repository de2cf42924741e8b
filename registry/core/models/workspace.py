"""People, the workspaces they belong to, and the keys that machines use."""

import string
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Lower, Now

from registry.core.actor import KeyKind, Role


class _AsciiLower(Func):
    """Lower case of ASCII letters alone."""

    function = "translate"
    template = f"%(function)s(%(expressions)s, '{string.ascii_uppercase}', '{string.ascii_lowercase}')"
    output_field = models.TextField()


def of_address[Rows: models.QuerySet[Any]](rows: Rows, column: str, email: str) -> Rows:
    """Rows with that e-mail address, ignoring the case of ASCII letters alone: databases take some other letters for these,
    and an address with one of them is another address. The index is that of `lower`."""
    alike = rows.alias(lowered=Lower(column), plain=_AsciiLower(column))
    return alike.filter(lowered=Lower(Value(email)), plain=_AsciiLower(Value(email)))


class UserManager(BaseUserManager["User"]):
    """Finds people by e-mail address, whatever its case."""

    def by_address(self, email: str) -> "User | None":
        """The person with that address; None without."""
        return of_address(self.all(), "email", email).first()

    def get_by_natural_key(self, username: str | None) -> "User":
        """The same; raises DoesNotExist."""
        found = self.by_address(username or "")
        if found is None:
            raise self.model.DoesNotExist
        return found


class User(AbstractBaseUser):
    """A person. What they may do is decided by their memberships, never by a flag here."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)
    # The name of a zone; empty for whichever the browser is in.
    time_zone = models.CharField(max_length=64, blank=True, default="")
    # Asked of everybody at each request, so kept here; only the actions on second factors write it.
    has_second_factor = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_is_unique")]

    def __str__(self) -> str:
        return self.email


class Workspace(models.Model):
    """A tenant: nothing in it is visible from another one."""

    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=120)
    # Raised by a restore from a backup, so that no client trusts a number that was given out twice.
    epoch = models.PositiveIntegerField(default=1)
    # Reviewers and above need a second factor for what only they may do.
    require_mfa = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.slug


class MemberQuerySet(models.QuerySet["Member"]):
    """Members, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "MemberQuerySet":
        """Members of one workspace."""
        return self.filter(workspace_id=workspace_id)

    def of_address(self, email: str) -> "MemberQuerySet":
        """Memberships of the person with that address."""
        return of_address(self, "user__email", email)

    def active(self) -> "MemberQuerySet":
        """Members who can act: neither they nor their user is deactivated."""
        return self.filter(is_active=True, user__is_active=True)

    def lacking_no_factor(self) -> "MemberQuerySet":
        """Those who have a second factor, or of whom none is asked."""
        below = [role for role in Role if role.rank < Role.REVIEWER.rank]
        fine = Q(user__has_second_factor=True) | Q(role__in=below)
        return self.filter(fine if settings.REQUIRE_MFA else fine | Q(workspace__require_mfa=False))

    def at_least(self, role: Role) -> "MemberQuerySet":
        """Members of that role or a higher one."""
        return self.filter(role__in=[other for other in Role if other.rank >= role.rank])


class Member(models.Model):
    """A person in a workspace, with one role. Never deleted: rows they wrote keep pointing here.

    `muted` and `mailed` are the kinds of news they do not want, and want by e-mail too; `hidden` the hints they put away.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="members")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(role, role) for role in Role])
    grants = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    muted = ArrayField(models.CharField(max_length=32), default=list, db_default=[], blank=True)
    mailed = ArrayField(models.CharField(max_length=32), default=list, db_default=[], blank=True)
    hidden = ArrayField(models.CharField(max_length=32), default=list, db_default=[], blank=True)

    objects = MemberQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="member_once_per_workspace")]

    def __str__(self) -> str:
        return f"{self.user.email} in {self.workspace.slug}"

    @property
    def can_act(self) -> bool:
        """False once the member or the user is deactivated."""
        return self.is_active and self.user.is_active

    @property
    def lacks_factor(self) -> bool:
        """Whether a second factor is asked of this member that they have not set up."""
        if self.rank < Role.REVIEWER.rank or self.user.has_second_factor:
            return False
        return settings.REQUIRE_MFA or self.workspace.require_mfa

    @property
    def rank(self) -> int:
        """Height of the role on the ladder."""
        return Role(self.role).rank


class SignInLink(models.Model):
    """A one-time way in; only the hash of its token is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_in_links")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"link for {self.user_id}"


# In this order: most browsers also name those they want to be taken for.
BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Invitations, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "InvitationQuerySet":
        """Invitations into one workspace."""
        return self.filter(workspace_id=workspace_id)

    def open(self) -> "InvitationQuerySet":
        """Those that still let somebody in: not used, revoked or expired (database time)."""
        return self.filter(used_at=None, revoked_at=None, expires_at__gt=Now())

    def at_least(self, role: Role) -> "InvitationQuerySet":
        """Those that give this role or a higher one."""
        return self.filter(role__in=[other for other in Role if other.rank >= role.rank])


class Invitation(models.Model):
    """A link that lets its holder into a workspace once, with a role; without a workspace it lets them found the first one.

    Only the hash of its token is kept.
    """

    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.PROTECT, related_name="invitations")
    token_hash = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=16, choices=[(role, role) for role in Role])
    note = models.CharField(max_length=120, blank=True, default="")
    created_by = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    objects = InvitationQuerySet.as_manager()

    def __str__(self) -> str:
        return f"invitation {self.pk}"


class PersonSession(models.Model):
    """Where somebody is signed in: one row a session, so that its owner can see and end it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    session_key = models.CharField(max_length=40, unique=True)
    address = models.CharField(max_length=64, blank=True, default="")
    agent = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"session {self.pk}"

    @property
    def program(self) -> str:
        """Browser and system as people call them, from what the program said of itself; that text where neither is known."""
        browser = next((name for mark, name in BROWSERS if mark in self.agent), "")
        system = next((name for mark, name in SYSTEMS if mark in self.agent), "")
        return f"{browser} on {system}" if browser and system else browser or self.agent or "An unnamed program"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Keys, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "ApiKeyQuerySet":
        """Keys of one workspace."""
        return self.filter(workspace_id=workspace_id)

    def usable(self) -> "ApiKeyQuerySet":
        """Keys that still open something: not revoked, not expired (database time), and somebody active answers for them."""
        lasting = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
        return self.filter(lasting, revoked_at=None, responsible__is_active=True, responsible__user__is_active=True)


class ApiKey(models.Model):
    """A machine's credential: looked up by its public id, compared by hash, shown once."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="keys")
    kind = models.CharField(max_length=8, choices=[(kind, kind) for kind in KeyKind])
    name = models.CharField(max_length=120)
    public_id = models.CharField(max_length=12, unique=True)
    secret_hash = models.CharField(max_length=64)
    last4 = models.CharField(max_length=4)
    scopes = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    # The permanent name of the environment a service key is bound to; empty for CI keys.
    environment = models.CharField(max_length=63, blank=True, default="")
    responsible = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="answers_for_keys")
    # To whom it was shown, whoever answers for it; None where that was the operator.
    made_by = models.ForeignKey(
        Member,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    rotated_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="successors")

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="service_keys_have_an_environment",
                condition=Q(kind="ci", environment="") | (Q(kind="service") & ~Q(environment="")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} (gr_{self.public_id}…{self.last4})"
