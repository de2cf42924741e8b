"""The three people of the demo."""

from dataclasses import dataclass

from registry.core.actor import Role

WORKSPACE, WORKSPACE_NAME = "demo", "Demo"


@dataclass(frozen=True)
class Person:
    """Somebody who acts in the demo; the addresses are reserved for examples, so nothing is ever sent to them."""

    name: str
    email: str
    role: Role


ADA = Person("Ada Editor", "ada.editor@example.com", Role.EDITOR)
GRACE = Person("Grace Reviewer", "grace.reviewer@example.com", Role.REVIEWER)
ROSA = Person("Rosa Owner", "rosa.owner@example.com", Role.OWNER)
PEOPLE = (ADA, GRACE, ROSA)
