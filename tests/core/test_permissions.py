"""The table of roles in the rules, cell by cell."""

import pytest

from registry.core.actor import Actor, KeyKind, Role
from registry.core.errors import Forbidden
from registry.core.permissions import CI_SCOPES, TABLE, Permission, allows, require

COLUMNS = ["viewer", "editor", "reviewer", "releaser", "admin", "owner", "ci", "service"]

# One row of PROMOTION.md each. y yes, n no, g by grant, s with the key's scope, p with the scope `promote` where unprotected.
ROWS: dict[Permission, str] = {
    Permission.READ: "y y y y y y s n",
    Permission.READ_LIVE: "y y y y y y s y",
    Permission.WRITE: "n y y y y y s n",
    Permission.RUN: "n y y y y y s n",
    Permission.CHANGE_REQUIRED_SUITE: "n n y y y y n n",
    Permission.REVIEW: "n n y y y y n n",
    Permission.APPLY: "n n n y y y p n",
    Permission.ROLL_BACK: "n n n y y y n n",
    Permission.WITHDRAW: "n n n y y y p n",
    Permission.CLEAR_QUARANTINE: "n n n y y y n n",
    Permission.CURATE: "n y y y y y s n",
    Permission.OVERRIDE: "n n n g g g n n",
    Permission.ADMINISTER: "n n n n y y n n",
    Permission.POST_CHECK: "n n n n n n s n",
}
SCOPES = {
    Permission.READ: "read",
    Permission.READ_LIVE: "read",
    Permission.WRITE: "write",
    Permission.RUN: "run",
    Permission.CURATE: "write",
    Permission.POST_CHECK: "check",
    Permission.APPLY: "promote",
    Permission.WITHDRAW: "promote",
}
CELLS = [
    (permission, column, cell)
    for permission, cells in ROWS.items()
    for column, cell in zip(COLUMNS, cells.split(), strict=True)
]
PEOPLE_ONLY = [permission for permission, cells in ROWS.items() if cells.split()[6] == "n"]


def actor(column: str, *, grants: frozenset[str] = frozenset(), scopes: frozenset[str] = CI_SCOPES) -> Actor:
    if column in {"ci", "service"}:
        return Actor("key", 1, 1, column, key_kind=KeyKind(column), scopes=scopes if column == "ci" else frozenset())
    return Actor("member", 1, 1, column, role=Role(column), grants=grants)


def test_table__every_permission__has_a_row_here() -> None:
    assert set(TABLE) == set(Permission) == set(ROWS)


@pytest.mark.parametrize(("permission", "column", "cell"), CELLS, ids=lambda value: str(value))
def test_permission__role_by_role__is_as_the_table_says(permission: Permission, column: str, cell: str) -> None:
    plain = actor(column)
    assert allows(plain, permission) == (cell in "ysp")
    assert allows(plain, permission, protected=True) == (cell in "ys")
    if cell == "g":
        assert allows(actor(column, grants=frozenset({"override"})), permission)
    elif column not in {"ci", "service"}:
        assert allows(actor(column, grants=frozenset({"override"})), permission) == (cell == "y")
    if cell in "sp":
        only = frozenset({SCOPES[permission]})
        assert allows(actor(column, scopes=only), permission)
        assert not allows(actor(column, scopes=CI_SCOPES - only), permission)


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("column", COLUMNS)
def test_require__what_is_not_allowed__is_403_saying_why(permission: Permission, column: str) -> None:
    for protected in (False, True):
        if allows(actor(column), permission, protected=protected):
            require(actor(column), permission, protected=protected)
            continue
        with pytest.raises(Forbidden) as refused:
            require(actor(column), permission, protected=protected)
        only_people = permission in PEOPLE_ONLY or (protected and TABLE[permission].unprotected_only)
        if column in {"ci", "service"} and only_people:
            assert refused.value.code == "actor.key"
        else:
            assert refused.value.code in {"actor.role", "actor.grant", "actor.person", "actor.scope"}


def test_system__is_no_way_around__for_anything() -> None:
    assert not any(allows(Actor.system(1), permission) for permission in Permission)
