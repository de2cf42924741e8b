"""The kinds of scorers as the editor of a suite offers them: the common ones first, then by what they look at. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from evals_app.scorer_rows import label_of, quoted
from evals_app.scorers import SCORERS, Scorer

COMMON = ("contains", "equals", "icontains", "regex", "is_json", "jsonpath", "rubric")
TEXT, ALIKE, JSON, MARKUP, TOOLS = "Text", "How alike texts are", "JSON", "HTML, XML and SQL", "Tools"
MODEL, SAFETY, EFFORT = "Judged by a model", "Safety", "Cost, speed and how it ended"
GROUPS = (TEXT, ALIKE, JSON, MARKUP, TOOLS, MODEL, SAFETY, EFFORT)
_OF_FAMILY = {"text": TEXT, "structure": MARKUP, "model graded": MODEL, "safety": SAFETY, "cost and speed": EFFORT}
_OF_KIND: Mapping[str, str] = {
    **dict.fromkeys(("bleu", "edit_distance", "levenshtein", "rouge_l", "rouge_n"), ALIKE),
    **dict.fromkeys(("promptfoo_bleu", "promptfoo_gleu", "promptfoo_meteor", "promptfoo_rouge_n"), ALIKE),
    **dict.fromkeys(("contains_json", "deep_equal", "is_json", "json_schema", "jsonpath"), JSON),
    **dict.fromkeys(("tool_call", "tool_call_f1", "valid_tool_call"), TOOLS),
    "finish_reason": EFFORT,
}


@dataclass(frozen=True)
class Kind:
    """A kind as a choice; `word` says what it does."""

    kind: str
    label: str
    word: str


def kinds_offered() -> list[tuple[str, list[Kind]]]:
    """Every kind that can be chosen, once, under the name of its group; those of a group in the order of their labels."""
    rest = [one for one in SCORERS.values() if one.is_run and one.kind not in COMMON]
    found = [("Common", [_choice(SCORERS[kind]) for kind in COMMON])]
    for group in GROUPS:
        kinds = [_choice(one) for one in rest if _OF_KIND.get(one.kind, _OF_FAMILY[one.family]) == group]
        found.append((group, sorted(kinds, key=lambda one: one.label)))
    return found


def _choice(scorer: Scorer) -> Kind:
    return Kind(scorer.kind, label_of(scorer.kind), quoted(scorer.about).partition(";")[0])
