"""Which claims scores can carry: a judge that people have hardly checked cannot show that a version is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evals_app.agreement import LABELS_NEEDED


def why_no_claim(names: Iterable[str], labels: Mapping[str, int]) -> str:
    """Why no claim to be better may rest on the scorers of these names; empty where it may.

    `labels` holds, for every scorer that a model judges, how many labels of people its judge was compared with; scorers that
    no model judges are not in it.
    """
    weak = sorted(name for name in set(names) if labels.get(name, LABELS_NEEDED) < LABELS_NEEDED)
    if not weak:
        return ""
    told = ", ".join(f"{name} has {labels[name]}" for name in weak)
    return (
        f"A model judges this: before it can show that a version is better, it takes {LABELS_NEEDED} answers that people "
        f"have labelled ({told})."
    )
