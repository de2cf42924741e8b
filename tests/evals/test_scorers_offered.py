"""The kinds of scorers as an editor offers them."""

from evals_app.scorer_kinds import COMMON, kinds_offered
from evals_app.scorers import SCORERS


def test_kinds__offered__each_once_the_common_ones_first_with_a_word_on_what_it_does() -> None:
    groups = kinds_offered()
    kinds = [one.kind for _, offered in groups for one in offered]

    assert groups[0][0] == "Common" and [one.kind for one in groups[0][1]] == list(COMMON)
    assert sorted(kinds) == sorted(kind for kind, scorer in SCORERS.items() if scorer.is_run)
    assert all(offered and all(one.word for one in offered) for _, offered in groups)
    named = {one.kind: (one.label, one.word) for one in groups[0][1]}
    assert named["jsonpath"] == ("JSONPath", "what “path” finds in the output's JSON is the target")


def test_kinds__offered__stand_with_those_that_look_at_the_same() -> None:
    groups = {group: {one.kind for one in offered} for group, offered in kinds_offered()}

    assert {"json_schema", "deep_equal"} <= groups["JSON"] and {"tool_call", "valid_tool_call"} <= groups["Tools"]
    assert groups["HTML, XML and SQL"] == {
        f"{word}_{what}" for word in ("is", "contains") for what in ("html", "xml", "sql")
    }
    assert all(SCORERS[kind].is_graded for kind in groups["Judged by a model"])
    assert "starts_with" in groups["Text"] and "levenshtein" in groups["How alike texts are"]
