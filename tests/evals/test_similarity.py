"""How alike two texts are: ROUGE and BLEU against the libraries that everybody quotes, edits on known words."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from evals_app.engine.trying_scorers import try_scorers
from evals_app.scorers import Asked, Output, parse_scorers
from evals_app.scorers.kinds.similarity import bleu


def score(spec, output, expected):
    (one,) = try_scorers(parse_scorers([spec]), Output(output), Asked(expected=expected))
    return one.score


PAIRS = [
    ("the cat sat on the mat", "the cat was on the mat"),
    ("The quick brown fox jumps over the lazy dog.", "The fast brown fox jumped over the lazy dog!"),
    ("Your refund of $1,200.50 is on its way.", "A refund of $1,200.50 was sent; it is on its way."),
    ("a", "a"),
    ("a b", "b a"),
    ("one", "two"),
    ("", "something"),
    ("It's 5-6 days, isn't it?", "It is 5-6 days."),
    ("first line\nsecond line", "first line second line"),
    ("tom &amp; jerry", "tom & jerry"),
    ("the the the the", "the cat"),
    ("state-of-the-art, e.g. v1.2-beta", "state of the art e.g. v1.2 beta"),
    ("x " * 400, "x " * 380 + "y " * 20),
    ("under_score CamelCase 42", "under score camelcase 42"),
]  # fmt: skip
# What rouge-score 0.1.2 says of these pairs and of 200 made of few letters; it has no wheel, so it is not installed here.
ROUGE = [json.loads(line) for line in (Path(__file__).parents[1] / "data/rouge_values.jsonl").open()]
text = st.text("ab cd.,-1\n&;'", max_size=40)


def rouge(kind, said, wanted, **more):
    return score({"kind": kind, **more}, said, wanted).value


@pytest.mark.parametrize("place", range(0, len(ROUGE), 10))
def test_rouge__of_many_pairs__is_what_rouge_score_says(place):
    for pair in ROUGE[place : place + 10]:
        for at, measure in enumerate(("precision", "recall", "f1")):
            asked = [("rouge_n", {"n": n}, f"rouge{n}") for n in (1, 2, 3, 4)] + [("rouge_l", {}, "rougeL")]
            for kind, more, name in asked:
                found = rouge(kind, pair["said"], pair["wanted"], measure=measure, **more)
                assert found == pytest.approx(pair[name][at]), (pair, name, measure)


@pytest.mark.parametrize(("said", "wanted"), PAIRS)
def test_bleu__on_a_table__is_what_sacrebleu_says(said, wanted):
    oracle = BLEU(effective_order=True)
    assert bleu(said, [wanted]) == pytest.approx(oracle.sentence_score(said, [wanted]).score / 100)
    several = [wanted, "the cat is on a mat", f"{said} again"]
    assert bleu(said, several) == pytest.approx(oracle.sentence_score(said, several).score / 100)


@settings(max_examples=200)
@given(said=text, wanted=st.lists(text, min_size=1, max_size=3))
def test_bleu__of_any_text__is_what_sacrebleu_says(said, wanted):
    oracle = BLEU(effective_order=True).sentence_score(said, wanted).score / 100
    assert bleu(said, wanted) == pytest.approx(oracle, abs=1e-12)


def test_rouge__of_another_script__counts_its_words():
    assert rouge("rouge_n", "карта заблокирована", "Карта потеряна", measure="recall") == 0.5


def test_levenshtein__on_known_words__is_the_distance_by_the_longer_length():
    assert score({"kind": "levenshtein"}, "kitten", "sitting").value == pytest.approx(1 - 3 / 7)
    distance = score({"kind": "edit_distance", "most": 3}, "kitten", "sitting")
    assert (distance.value, distance.passed) == (3, True)
    assert not score({"kind": "edit_distance", "most": 2}, "kitten", "sitting").passed
