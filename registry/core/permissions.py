"""Who may do what: the one table, and the two questions asked of it."""

from dataclasses import dataclass
from enum import StrEnum

from registry.core.actor import Actor, KeyKind, Role
from registry.core.errors import ConfirmationNeeded, Forbidden


class Permission(StrEnum):
    """A right, named after what it lets one do."""

    READ = "read"
    READ_LIVE = "read_live"
    WRITE = "write"
    RUN = "run"
    CHANGE_REQUIRED_SUITE = "change_required_suite"
    REVIEW = "review"
    APPLY = "apply"
    ROLL_BACK = "roll_back"
    WITHDRAW = "withdraw"
    CLEAR_QUARANTINE = "clear_quarantine"
    CURATE = "curate"
    OVERRIDE = "override"
    ADMINISTER = "administer"
    POST_CHECK = "post_check"


CI_SCOPES = frozenset({"read", "write", "run", "promote", "check"})


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    `role`: the lowest role that has the right; `grant`: it must be granted by name instead, to `role` or above;
    `scope`: what a CI key needs; `unprotected_only`: keys never in a protected environment; `service`: service keys too.
    """

    role: Role | None
    grant: str = ""
    scope: str = ""
    unprotected_only: bool = False
    service: bool = False


TABLE: dict[Permission, Rule] = {
    Permission.READ: Rule(Role.VIEWER, scope="read"),
    Permission.READ_LIVE: Rule(Role.VIEWER, scope="read", service=True),
    Permission.WRITE: Rule(Role.EDITOR, scope="write"),
    Permission.RUN: Rule(Role.EDITOR, scope="run"),
    Permission.CHANGE_REQUIRED_SUITE: Rule(Role.REVIEWER),
    Permission.REVIEW: Rule(Role.REVIEWER),
    Permission.APPLY: Rule(Role.RELEASER, scope="promote", unprotected_only=True),
    Permission.ROLL_BACK: Rule(Role.RELEASER),
    Permission.WITHDRAW: Rule(Role.RELEASER, scope="promote", unprotected_only=True),
    Permission.CLEAR_QUARANTINE: Rule(Role.RELEASER),
    Permission.CURATE: Rule(Role.EDITOR, scope="write"),
    Permission.OVERRIDE: Rule(Role.RELEASER, grant="override"),
    Permission.ADMINISTER: Rule(Role.ADMIN),
    Permission.POST_CHECK: Rule(None, scope="check"),
}


def allows(actor: Actor, permission: Permission, *, protected: bool = False) -> bool:
    """Whether `actor` has the right; `protected` says that the environment concerned is a protected one."""
    rule = TABLE[permission]
    if actor.kind == "system":
        return False
    if actor.kind == "key":
        if actor.key_kind is KeyKind.SERVICE:
            return rule.service
        return bool(rule.scope) and rule.scope in actor.scopes and not (rule.unprotected_only and protected)
    if rule.role is None or actor.role is None or actor.role.rank < rule.role.rank or _is_out_of_reach(actor, rule):
        return False
    return not rule.grant or rule.grant in actor.grants


def require(actor: Actor, permission: Permission, *, protected: bool = False) -> None:
    """Raise Forbidden unless `allows`: `actor.key` where only people may, `actor.scope` or `actor.role` otherwise."""
    if allows(actor, permission, protected=protected):
        return
    rule = TABLE[permission]
    if actor.kind == "key":
        if not rule.scope or (rule.unprotected_only and protected):
            require_person(actor)
        if actor.key_kind is KeyKind.SERVICE:
            raise Forbidden("actor.scope", "A service key only reads what is live in its environment: use a CI key.")
        raise Forbidden("actor.scope", f"This key lacks the scope `{rule.scope}`: an admin can make one that has it.")
    if rule.role is None:
        raise Forbidden("actor.person", "Only a CI key may do this.")
    if actor.role is not None and actor.role.rank >= rule.role.rank and _is_out_of_reach(actor, rule):
        raise Forbidden(
            "actor.second_factor", "Reviewers and above need a second factor here: set one up on your page Security."
        )
    if rule.grant and actor.role is not None and actor.role.rank >= rule.role.rank:
        detail = f"This needs the grant `{rule.grant}`, which an admin gives by name."
        raise Forbidden("actor.grant", detail, needs=permission)
    detail = f"This needs the role {rule.role} or above: an admin of the workspace can give it."
    raise Forbidden("actor.role", detail, needs=permission)


def _is_out_of_reach(actor: Actor, rule: Rule) -> bool:
    """Whether a second factor stands between a member and what their role permits."""
    return actor.lacks_factor and rule.role is not None and rule.role.rank >= Role.REVIEWER.rank


def require_confirmed(actor: Actor) -> None:
    """Raise ConfirmationNeeded for a person who signed in, or confirmed it, more than 15 minutes ago; keys have no such time."""
    if not actor.is_confirmed:
        raise ConfirmationNeeded(
            "session.unconfirmed", "You signed in more than 15 minutes ago: say again who you are, then this goes on."
        )


def require_person(actor: Actor) -> None:
    """Raise Forbidden `actor.key` for keys: what is somebody's own has no meaning for them."""
    if not actor.is_person:
        raise Forbidden("actor.key", "Only a person may do this: sign in, or ask a member with the role for it.")
