"""Who of a workspace may do what, by name: for pages that tell readers whom to ask."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from registry.core.actor import Actor, Role
from registry.core.models import Member
from registry.core.permissions import TABLE, Permission, allows

NAMED = 3  # people a sentence names before it counts the rest


@dataclass(frozen=True)
class People:
    """The active members who may do more than read, as id, role, name and grants; those of the lowest role first."""

    members: tuple[tuple[int, Role, str, tuple[str, ...]], ...]

    def who_may(self, permission: Permission, *, but: Collection[int] = ()) -> tuple[str, ...]:
        """Names of those who have the right, but for some; the nearest come first: a releaser before an owner."""
        rule = TABLE[permission]
        assert rule.role is not None
        least = rule.role.rank
        able = (one for one in self.members if one[1].rank >= least and one[0] not in but)
        return tuple(name for _, _, name, grants in able if not rule.grant or rule.grant in grants)


def people_of(workspace_id: int) -> People:
    """Everybody who may do more than read; one query."""
    rows = Member.objects.in_workspace(workspace_id).active().at_least(Role.EDITOR).lacking_no_factor()
    found = rows.order_by("user__name", "pk").values_list("pk", "role", "user__name", "grants")
    members = [(pk, Role(role), name, tuple(grants)) for pk, role, name, grants in found]
    return People(tuple(sorted(members, key=lambda one: one[1].rank)))


def who_goes_back(actor: Actor) -> str:
    """Who can go back, in words, for a reader who cannot; empty for one who can. One query where it is not."""
    if allows(actor, Permission.ROLL_BACK):
        return ""
    names = people_of(actor.workspace_id).who_may(Permission.ROLL_BACK)
    return (
        f"Releasers can go back: {listed(names)}." if names else "Only a releaser can go back, and there is none here."
    )


def who_clears(actor: Actor) -> str:
    """Who can clear a quarantine, in words, for a reader who cannot; empty for one who can. One query where it is not."""
    if allows(actor, Permission.CLEAR_QUARANTINE):
        return ""
    names = people_of(actor.workspace_id).who_may(Permission.CLEAR_QUARANTINE)
    return f"{either(names) or 'Nobody here yet'} can clear it."


def either(names: Sequence[str]) -> str:
    """Any one of them: `Grace, Olga or Rosa`."""
    return _joined(names, "or")


def listed(names: Sequence[str]) -> str:
    """All of them: `Grace, Olga and Rosa`."""
    return _joined(names, "and")


def _joined(names: Sequence[str], word: str) -> str:
    """Their names, the rest counted where there are too many."""
    shown = [*names[:NAMED], f"{len(names) - NAMED} more"] if len(names) > NAMED + 1 else list(names)
    return f" {word} ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
