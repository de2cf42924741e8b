"""Who asks: a member, an API key, or the system itself."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class Role(StrEnum):
    """The ladder: each role may do what the ones before it may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    REVIEWER = "reviewer"
    RELEASER = "releaser"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """Height on the ladder, 0 for a viewer."""
        return list(Role).index(self)


class KeyKind(StrEnum):
    """CI keys act for a pipeline; service keys only read what is live in their environment."""

    CI = "ci"
    SERVICE = "service"


@dataclass(frozen=True)
class Actor:
    """The caller of an action, with everything a permission question needs; ids are of the kind's own table.

    `member_id` is the person who answers for what is done: the member, or the key's responsible member (0 for the system).
    `is_confirmed` is false for a person whose session is older than the time within which they need not say again who they are;
    `lacks_factor` is true for one of whom a second factor is asked that they have not set up.
    """

    kind: Literal["member", "key", "system"]
    workspace_id: int
    id: int
    name: str
    role: Role | None = None
    grants: frozenset[str] = frozenset()
    key_kind: KeyKind | None = None
    scopes: frozenset[str] = frozenset()
    environment: str = ""
    member_id: int = 0
    is_confirmed: bool = field(default=True, compare=False)
    lacks_factor: bool = field(default=False, compare=False)
    request_id: str = field(default="", compare=False)
    address: str = field(default="", compare=False)

    @classmethod
    def system(cls, workspace_id: int, name: str = "Greenroom") -> "Actor":
        """The registry itself: schedules, sweeps and the evaluation engine."""
        return cls(kind="system", workspace_id=workspace_id, id=0, name=name)

    @property
    def is_person(self) -> bool:
        """True for a member."""
        return self.kind == "member"

    @property
    def person_id(self) -> int | None:
        """The member who does it themself; None for keys and the system."""
        return self.member_id if self.is_person else None
