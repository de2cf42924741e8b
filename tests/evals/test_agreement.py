"""Cohen's kappa against known values and against statsmodels; families of models by their names."""

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from evals_app.agreement import LABELS_NEEDED, agreement
from evals_app.model_families import family_of, is_same_family

COUNTS = st.tuples(*[st.integers(0, 60)] * 4)


def pairs(both: int, first: int, second: int, neither: int) -> list[tuple[bool, bool]]:
    return [(True, True)] * both + [(True, False)] * first + [(False, True)] * second + [(False, False)] * neither


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [((20, 5, 10, 15), 0.4), ((45, 15, 25, 15), 0.130435), ((25, 35, 5, 35), 0.259259), ((10, 0, 0, 10), 1.0)],
)
def test_kappa__known_tables__has_the_known_value(counts: tuple[int, int, int, int], kappa: float) -> None:
    assert agreement(pairs(*counts)).kappa == pytest.approx(kappa, abs=1e-6)


@given(counts=COUNTS)
def test_kappa__any_table__agrees_with_statsmodels_and_stays_within_its_bounds(counts: tuple[int, ...]) -> None:
    found = agreement(pairs(*counts))
    assert found.n == sum(counts)
    if found.kappa is None or found.lower is None or found.upper is None:
        one_sided = counts[0] + counts[1] in {0, found.n} and counts[0] + counts[2] in {0, found.n}
        assert not found.n or one_sided
        return
    known = cohens_kappa(numpy.array([counts[:2], counts[2:]]))
    assert math.isclose(found.kappa, known.kappa, abs_tol=1e-9)
    assert -1 <= found.lower <= found.kappa <= found.upper <= 1
    if known.kappa_low > -1 and known.kappa_upp < 1:
        assert math.isclose(found.lower, known.kappa_low, abs_tol=1e-6)
        assert math.isclose(found.upper, known.kappa_upp, abs_tol=1e-6)


def test_agreement__nothing_or_only_one_word__has_no_kappa() -> None:
    assert agreement([]) == agreement(iter(()))
    assert (agreement([]).agreed, agreement([]).kappa) == (None, None)
    always = agreement([(True, True)] * 60)
    assert (always.agreed, always.kappa) == (1.0, None)


def test_agreement__under_fifty_labels__is_not_enough() -> None:
    assert not agreement([(True, True)] * (LABELS_NEEDED - 1)).is_enough
    assert agreement([(True, True)] * (LABELS_NEEDED - 1)).missing == 1
    assert agreement([(True, True)] * LABELS_NEEDED).is_enough


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("gpt-4o", "openai/gpt-4o-mini", True),
        ("o3-mini", "gpt-4.1", True),
        ("gpt-4o", "claude-sonnet-4", False),
        ("meta-llama/Llama-3.1-8B", "llama3.2:1b", True),
        ("mistral-large", "codestral-latest", True),
        ("SmolLM2-135M-Instruct", "smollm2-360m", True),
        ("scripted", "scripted", True),
        ("qwen2.5-7b", "deepseek-chat", False),
    ],
)
def test_family__of_two_models__by_their_names(one: str, other: str, same: bool) -> None:
    assert is_same_family(one, other) is same
    assert is_same_family(other, one) is same


def test_family__of_a_name_without_letters__is_the_name() -> None:
    assert family_of("42") == "42"
