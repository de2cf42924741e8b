"""What a run may spend, as somebody says it. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from registry.core.canonical import JSON
from registry.core.errors import FieldError
from registry.core.fields import Fields, refuse_mistakes

MOST_DOLLARS = 1_000_000.0
MOST_REQUESTS = 2_000_000_000


@dataclass(frozen=True)
class Budget:
    """The most a run may spend: US dollars and requests, tries and judges included. None: no limit."""

    cost: Decimal | None = None
    requests: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it limits nothing."""
        return self.cost is None and self.requests is None


NO_BUDGET = Budget()


def parse_budget(value: JSON) -> Budget:
    """`{"cost": 1.5, "requests": 1000}`, either left out or null for no limit; raises Invalid naming each mistake."""
    if value is None:
        return Budget()
    errors: list[FieldError] = []
    given = Fields(value, errors, path="budget")
    cost = given.number("cost", None, least=0.000001, most=MOST_DOLLARS) if given.raw("cost") is not None else None
    requests = (
        given.integer("requests", None, least=1, most=MOST_REQUESTS) if given.raw("requests") is not None else None
    )
    given.close()
    refuse_mistakes("budget.invalid", "The budget is not acceptable.", errors)
    return Budget(None if cost is None else Decimal(str(cost)), requests)
