"""Which models a batch asks, as somebody says it. Pure."""

from evals_app.model_settings import PARAMETERS
from registry.core.canonical import JSON
from registry.core.errors import FieldError, invalid_field
from registry.core.fields import Fields, refuse_mistakes

FEWEST, MOST = 2, 10

type Config = dict[str, JSON]


def parse_configs(value: JSON) -> tuple[Config, ...]:
    """Settings by column: `provider`, `model` and parameters, each left out where the version's own is meant.

    Raises Invalid naming each mistake.
    """
    if not isinstance(value, list) or not FEWEST <= len(value) <= MOST:
        raise invalid_field("configs", "count", f"Name {FEWEST} to {MOST} models to compare.")
    errors: list[FieldError] = []
    found = tuple(_config(one, errors, f"configs[{place}]") for place, one in enumerate(value))
    refuse_mistakes("batch.invalid", "These models cannot be compared.", errors)
    return found


def _config(value: JSON, errors: list[FieldError], path: str) -> Config:
    given = Fields(value, errors, path=path)
    config: Config = {}
    for name, most in (("provider", 63), ("model", 200)):
        if given.raw(name) is not None:
            config[name] = given.text(name, None, most=most)
    for name in PARAMETERS:
        if given.raw(name) is not None:
            config[name] = given.raw(name)
    given.close()
    return config
