"""Every scorer there is, by the kind that names it: the classes in the modules of `kinds`."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from evals_app.scorers import kinds
from evals_app.scorers.protocol import Scorer

FAMILIES = ("text", "structure", "model graded", "safety", "cost and speed")


def _found() -> Iterator[Scorer]:
    for module in pkgutil.iter_modules(kinds.__path__):
        found = importlib.import_module(f"{kinds.__name__}.{module.name}")
        for member in vars(found).values():
            is_scorer = isinstance(member, type) and issubclass(member, Scorer) and "kind" in vars(member)
            if is_scorer and member.__module__ == found.__name__:
                yield member()


SCORERS: Mapping[str, Scorer] = {
    scorer.kind: scorer for scorer in sorted(_found(), key=lambda one: (FAMILIES.index(one.family), one.kind))
}
