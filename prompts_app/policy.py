"""What an environment asks of a promotion: a plain value, its defaults, and how two of them combine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from registry.core.canonical import JSON
from registry.core.errors import FieldError
from registry.core.fields import Fields, refuse_mistakes

CHECK_NAME = re.compile(r"external/[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one environment; the defaults are the loosest rules there are.

    `external_checks` are full check names (`external/lint`), sorted, each once. `soak_minutes` is above 0 only with
    `require_predecessor`, and `auto_apply` never together with `protected`: `parse_policy` refuses both.
    """

    protected: bool = False
    auto_apply: bool = False
    approvals: int = 0
    require_predecessor: bool = False
    soak_minutes: int = 0
    require_suites: bool = False
    min_suites: int = 0
    external_checks: tuple[str, ...] = ()
    max_age_days: int = 14
    allow_override: bool = True

    @property
    def asks_nothing(self) -> bool:
        """True where every new version is live at once."""
        asked = (
            self.approvals or self.require_predecessor or self.require_suites or self.min_suites or self.external_checks
        )
        return self.auto_apply and not asked

    @property
    def soak(self) -> str:
        """How long a content has to have been live in the stage below, in words."""
        return f"{self.soak_minutes} minute{'' if self.soak_minutes == 1 else 's'}"

    def to_json(self) -> dict[str, JSON]:
        """All fields by name, in the order above."""
        values: dict[str, JSON] = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"external_checks": list(self.external_checks)}


OPEN = Policy()

DEFAULTS: Mapping[str, Policy] = {
    "development": Policy(auto_apply=True),
    "staging": Policy(require_predecessor=True, require_suites=True),
    "production": Policy(protected=True, approvals=1, require_predecessor=True, require_suites=True, min_suites=1),
}


def stricter(a: Policy, b: Policy) -> Policy:
    """Field by field whichever asks more. Commutative, associative, and `stricter(a, a) == a`.

    What permits something (`auto_apply`, `allow_override`) holds only when both permit it.
    """
    return Policy(
        protected=a.protected or b.protected,
        auto_apply=a.auto_apply and b.auto_apply,
        approvals=max(a.approvals, b.approvals),
        require_predecessor=a.require_predecessor or b.require_predecessor,
        soak_minutes=max(a.soak_minutes, b.soak_minutes),
        require_suites=a.require_suites or b.require_suites,
        min_suites=max(a.min_suites, b.min_suites),
        external_checks=tuple(sorted({*a.external_checks, *b.external_checks})),
        max_age_days=min(a.max_age_days, b.max_age_days),
        allow_override=a.allow_override and b.allow_override,
    )


def parse_policy(value: JSON, base: Policy = OPEN, *, path: str = "policy") -> Policy:
    """`base` with the fields that `value` gives; raises Invalid `policy.invalid` naming every wrong field.

    An outside check may be named with or without `external/`.
    """
    errors: list[FieldError] = []
    given = Fields(value, errors, path=path)
    policy = replace(
        base,
        protected=given.boolean("protected", base.protected),
        auto_apply=given.boolean("auto_apply", base.auto_apply),
        approvals=given.integer("approvals", base.approvals, least=0, most=20),
        require_predecessor=given.boolean("require_predecessor", base.require_predecessor),
        soak_minutes=given.integer("soak_minutes", base.soak_minutes, least=0, most=60 * 24 * 365),
        require_suites=given.boolean("require_suites", base.require_suites),
        min_suites=given.integer("min_suites", base.min_suites, least=0, most=100),
        external_checks=_external_checks(given) if given.has("external_checks") else base.external_checks,
        max_age_days=given.integer("max_age_days", base.max_age_days, least=1, most=3650),
        allow_override=given.boolean("allow_override", base.allow_override),
    )
    given.close()
    if policy.protected and policy.auto_apply:
        message = "cannot be combined with protected: there a person decides each time"
        given.refuse("auto_apply", "conflict", message)
    if policy.soak_minutes and not policy.require_predecessor:
        given.refuse("soak_minutes", "conflict", "counts only with require_predecessor: switch that on or set 0")
    refuse_mistakes("policy.invalid", "The policy was not changed: correct the fields named.", errors)
    return policy


def _external_checks(given: Fields) -> tuple[str, ...]:
    names = set()
    for index, entry in enumerate(given.items("external_checks", most=50)):
        name = entry if not isinstance(entry, str) or entry.startswith("external/") else f"external/{entry}"
        if isinstance(name, str) and CHECK_NAME.fullmatch(name):
            names.add(name)
        else:
            message = "must be the name of an outside check, such as external/lint"
            given.refuse(f"external_checks[{index}]", "format", message)
    return tuple(sorted(names))
