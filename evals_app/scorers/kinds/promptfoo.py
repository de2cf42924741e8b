"""Assertions of a promptfoo suite, judged as promptfoo judges them, where no kind of ours gives the same verdicts.

Suites that are imported use it for sets of assertions with a threshold, for ROUGE-N, BLEU and GLEU (which count words
otherwise than our kinds), and for assertions that are negated and whose output is not of the form they look at.
The type `disabled` keeps what is never run, so that nothing of an imported suite is lost; its weight is 0.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rapidfuzz.distance import Levenshtein

from evals_app.scorers.kinds.json_text import json_within
from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Target,
    Tools,
    UnscorableError,
    as_text,
    excerpt,
    same_json,
)
from evals_app.scorers.schemas import first_mistake, schema_mistake
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError, Invalid

MOST_ASSERTIONS, LONGEST = 50, 20_000
DISABLED = "disabled"
MEMBERS = {"type", "value", "threshold", "weight", "metric", "assert"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one assertion says; the score of a share is the share, of anything else 1 or 0."""

    passed: bool
    score: float
    detail: str


class Assertion(Scorer):
    """`value` is the assertion: `type` (with `not-` before it), `value`, `threshold`, `weight`; `assert-set` has `assert`."""

    kind: ClassVar[str] = "promptfoo"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "an assertion, or a set of them with a threshold, judged exactly as promptfoo judges it"
    target: ClassVar[Target] = "value"
    example: ClassVar[Example] = Example(
        {"kind": "promptfoo", "value": {"type": "rouge-n", "value": "the cat sat", "threshold": 0.6}},
        Output("The cat sat down"),
        Output("A dog"),
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if isinstance(spec.value, dict) and spec.value.get("type") == DISABLED:
            return FieldError("weight", "range", "must be 0: it is not run") if spec.counts else None
        return assertion_mistake(spec.value, "value")

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        assertion = target if isinstance(target, dict) else {}
        if assertion.get("type") == DISABLED:
            raise UnscorableError(f"Not run: {assertion.get('why')}")
        outcome = judged(assertion, output, tools)
        return Score(float(outcome.passed), outcome.passed, outcome.detail)


def assertion_mistake(value: JSON, path: str) -> FieldError | None:
    """What keeps a value from being an assertion that can be judged here."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or set(value) - MEMBERS:
        return FieldError(path, "type", f"must be an object with {', '.join(sorted(MEMBERS))} at most, and a type")
    for name in ("threshold", "weight"):
        number = value.get(name, 0)
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            return FieldError(f"{path}.{name}", "type", "must be a number")
    kind = value["type"]
    if kind == "assert-set":
        return _set_mistake(value.get("assert"), f"{path}.assert")
    if str(kind).removeprefix("not-") not in JUDGES:
        return FieldError(f"{path}.type", "choice", "must be one of assert-set, " + ", ".join(JUDGES))
    return _value_mistake(str(kind).removeprefix("not-"), value, path)


def judged(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
    """One assertion, or a set, on one output."""
    kind = str(assertion["type"])
    if kind == "assert-set":
        return _judged_set(assertion, output, tools)
    outcome = JUDGES[kind.removeprefix("not-")](assertion, output, tools)
    if kind.startswith("not-"):
        outcome = Outcome(not outcome.passed, 1 - outcome.score, outcome.detail)
    is_ignored = assertion.get("weight", 1) == 0
    return Outcome(outcome.passed or is_ignored, outcome.score, f"{kind}: {outcome.detail}")


def _judged_set(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
    parts = assertion.get("assert")
    found = [(part, judged(part, output, tools)) for part in _listed(parts) if isinstance(part, dict)]
    weights = [_number(part.get("weight"), 1.0) for part, _ in found]
    total = sum(weights)
    share = sum(weight * one.score for weight, (_, one) in zip(weights, found, strict=True)) / total if total else 0.0
    threshold = assertion.get("threshold")
    details = "; ".join(f"{'yes' if one.passed else 'no'}, {one.detail}" for _, one in found[:5])
    if isinstance(threshold, int | float):
        return Outcome(share >= threshold, share, f"{share:.2f} of {threshold:g}: {details}")
    return Outcome(all(one.passed for _, one in found), share, details)


def _set_mistake(parts: JSON, path: str) -> FieldError | None:
    if not isinstance(parts, list) or not 0 < len(parts) <= MOST_ASSERTIONS:
        return FieldError(path, "type", f"must be a list of 1 to {MOST_ASSERTIONS} assertions")
    for index, part in enumerate(parts):
        is_leaf = isinstance(part, dict) and all(
            not (isinstance(inner, dict) and inner.get("type") == "assert-set") for inner in _listed(part.get("assert"))
        )
        mistake = assertion_mistake(part, f"{path}[{index}]")
        if mistake or not is_leaf:
            return mistake or FieldError(f"{path}[{index}]", "type", "must not hold a set within a set")
    return None


def _value_mistake(kind: str, assertion: Mapping[str, JSON], path: str) -> FieldError | None:
    value = assertion.get("value")
    if kind in {"cost", "latency"}:
        return None if "threshold" in assertion else FieldError(f"{path}.threshold", "required", "is required")
    if kind in {"is-json", "contains-json"}:
        problem = None if value is None else schema_mistake(value)
        return problem and FieldError(f"{path}.{problem.field}", problem.code, problem.message)
    if kind == "word-count":
        is_bound = isinstance(value, dict) and bool(value) and set(value) <= {"min", "max"}
        is_sound = is_bound or (isinstance(value, int | float) and not isinstance(value, bool))
        return (
            None if is_sound else FieldError(f"{path}.value", "type", "must be a number, or an object of min and max")
        )
    if kind in _OF_LISTS:
        return None if isinstance(value, list) and value else FieldError(f"{path}.value", "type", "must be a list")
    if kind == "regex":
        try:
            re.compile(value if isinstance(value, str) and value else "(")
        except (re.error, OverflowError, RecursionError) as error:
            return FieldError(f"{path}.value", "format", f"is not a regular expression: {error}")
    if kind != "equals" and value in (None, ""):
        return FieldError(f"{path}.value", "required", "is required")
    return None


type Judge = Callable[[Mapping[str, JSON], Output, Tools], Outcome]


def _plain(is_so: bool, detail: str) -> Outcome:
    return Outcome(is_so, float(is_so), detail)


def _equals(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
    value = assertion.get("value")
    if isinstance(value, dict | list):
        try:
            return _plain(same_json(parse_json(output.text), value), f"{excerpt(output.text)} against {excerpt(value)}")
        except InvalidJson:
            return _plain(False, "the output is not JSON")
    return _plain(output.text == script_text(value), f"{excerpt(output.text)} against {excerpt(value)}")


def _occurs(*, any_case: bool, every: bool) -> Judge:
    def judge(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
        wanted = [script_text(one) for one in _listed(assertion.get("value")) or [assertion.get("value")]]
        text = output.text.lower() if any_case else output.text
        found = [(one.lower() if any_case else one) in text for one in wanted]
        return _plain(all(found) if every else any(found), ", ".join(map(excerpt, wanted[:3])))

    return judge


def _starts_with(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
    return _plain(output.text.startswith(as_text(assertion.get("value"))), excerpt(assertion.get("value")))


def _regex(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
    try:
        return _plain(tools.match(as_text(assertion.get("value")), output.text), excerpt(assertion.get("value")))
    except Invalid as error:
        raise UnscorableError(error.detail) from None


def _is_json(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
    schema = assertion.get("value")
    try:
        value = parse_json(output.text)
    except InvalidJson as error:
        return _plain(False, f"the output is not JSON: {error.message}")
    mistake = first_mistake(schema, value, tools) if isinstance(schema, dict) else ""
    return _plain(not mistake, mistake or "the output is JSON as wanted")


def _contains_json(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
    schema = assertion.get("value")
    found = [value for value in json_within(output.text) if isinstance(value, dict)]
    fits = [not isinstance(schema, dict) or not first_mistake(schema, value, tools) for value in found]
    return _plain(any(fits), f"{len(found)} JSON object{'' if len(found) == 1 else 's'} in it")


def _levenshtein(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
    wanted = as_text(assertion.get("value"))
    if max(len(wanted), len(output.text)) > LONGEST:
        raise UnscorableError(f"The texts are too long to compare: more than {LONGEST:,} characters.")
    distance = Levenshtein.distance(output.text, wanted)
    return _plain(distance <= _number(assertion.get("threshold"), 5), f"{distance} edits away from {excerpt(wanted)}")


def _word_count(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
    value, count = assertion.get("value"), len(output.text.split())
    if isinstance(value, dict):
        is_so = _number(value.get("min"), 0) <= count <= _number(value.get("max"), math.inf)
        return _plain(is_so, f"{count} words")
    return _plain(count == _number(value, -1), f"{count} words")


def _within(amount: Callable[[Output], float | None], name: str) -> Judge:
    def judge(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
        found = amount(output)
        if found is None:
            raise UnscorableError(f"The {name} is not known.")
        return _plain(found <= _number(assertion.get("threshold"), 0), f"{found:g}")

    return judge


def _share(measure: Callable[[str, Sequence[str]], float], usual: float) -> Judge:
    def judge(assertion: Mapping[str, JSON], output: Output, tools: Tools) -> Outcome:
        wanted = [as_text(one) for one in _listed(assertion.get("value")) or [assertion.get("value")]]
        share = measure(output.text, wanted)
        return Outcome(share >= _number(assertion.get("threshold"), usual), share, f"{share:.3f}")

    return judge


def rouge_1(said: str, references: Sequence[str]) -> float:
    """ROUGE-1 F1 with clipped counts over Penn Treebank tokens in lower case, of the first reference."""
    one, other = Counter(treebank(said.lower())), Counter(treebank(references[0].lower()))
    hits = (one & other).total()
    if not hits:
        return 0.0
    precision, recall = hits / one.total(), hits / other.total()
    return 2 * precision * recall / (precision + recall)


def bleu(said: str, references: Sequence[str]) -> float:
    """BLEU-4 over words in lower case, orders that are too long left out, an order without a hit counted as 1e-7."""
    if not said.strip():
        return 0.0
    words, others = said.lower().split(), [one.lower().split() or [""] for one in references]
    closest = min((abs(len(one) - len(words)), len(one)) for one in others)[1]
    logs = []
    for n in range(1, min(4, len(words)) + 1):
        runs = _runs(words, n)
        hits = max((runs & _runs(one, n)).total() for one in others)
        logs.append(math.log(hits / runs.total() if hits else 1e-7))
    penalty = 1.0 if len(words) > closest else math.exp(1 - closest / len(words))
    return penalty * math.exp(sum(logs) / len(logs))


def gleu(said: str, references: Sequence[str]) -> float:
    """The smaller of precision and recall over runs of one to four words, the best of the references."""
    words = _without_stops(said)
    return max((_gleu(words, _without_stops(one)) for one in references), default=0.0) if words else 0.0


def _gleu(words: Sequence[str], wanted: Sequence[str]) -> float:
    if words == wanted:
        return 1.0
    one, other = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for n in range(1, 5):
        one, other = one + _runs(words, n), other + _runs(wanted, n)
    return (one & other).total() / max(one.total(), other.total(), 1)


def _without_stops(text: str) -> list[str]:
    words = [word.rstrip(".") for word in text.lower().split()]
    return words if any(words) else []


def _runs(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


_CONTRACTIONS = [
    re.compile(rf"(?<!\w){text}(?!\w)", re.IGNORECASE)
    for text in (
        "(can)(not)",
        "(d)('ye)",
        "(gim)(me)",
        "(gon)(na)",
        "(got)(ta)",
        "(lem)(me)",
        "(more)('n)",
        "(wan)(na)(?= )",
        "('t)(is)",
        "('t)(was)",
    )
]
_SPLITS = (
    (re.compile(r"\.{3}"), " ... "),
    (re.compile(r"[:,](?!\d)"), r" \g<0> "),
    (re.compile(r"[;@#$%&]"), r" \g<0> "),
    (re.compile(r"([^.])(?<!\b[A-Za-z]\.[A-Za-z])(\.)([\])}>'\s]*)\Z"), r"\1 \2\3 "),
    (re.compile(r"[?!]"), r" \g<0> "),
    (re.compile(r"[\][(){}<>]"), r" \g<0> "),
    (re.compile(r"--"), " -- "),
)
_ENDINGS = (
    (re.compile(r"([^'])' "), r"\1 ' "),
    (re.compile(r"'([sSmMdD]) "), r" '\1 "),
    (re.compile(r"('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) "), r" \1 "),
)


def treebank(text: str) -> list[str]:
    """Words as the Penn Treebank splits them (after js-rouge's port): punctuation and contractions apart."""
    text = re.sub(r"[\s\x85]+", " ", text).strip()
    text = re.sub(
        r"``|''|\"", lambda quote: " `` " if quote.start() == 0 or text[quote.start() - 1] in " ([{<" else " '' ", text
    )
    for pattern, apart in _SPLITS:
        text = pattern.sub(apart, text)
    text = f" {text} "
    for pattern, apart in _ENDINGS:
        text = pattern.sub(apart, text)
    for pattern in _CONTRACTIONS:
        text = pattern.sub(r" \1 \2 ", text)
    return text.split()


def script_text(value: JSON) -> str:
    """A value as JavaScript writes it into a text: `true`, `5` for 5.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _listed(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _number(value: JSON, usual: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else usual


_OF_LISTS = {"contains-any", "contains-all", "icontains-any", "icontains-all"}
JUDGES: Mapping[str, Judge] = {
    "equals": _equals,
    "contains": _occurs(any_case=False, every=True),
    "icontains": _occurs(any_case=True, every=True),
    "contains-any": _occurs(any_case=False, every=False),
    "contains-all": _occurs(any_case=False, every=True),
    "icontains-any": _occurs(any_case=True, every=False),
    "icontains-all": _occurs(any_case=True, every=True),
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _is_json,
    "contains-json": _contains_json,
    "levenshtein": _levenshtein,
    "rouge-n": _share(rouge_1, 0.75),
    "bleu": _share(bleu, 0.5),
    "gleu": _share(gleu, 0.5),
    "word-count": _word_count,
    "cost": _within(lambda output: output.cost, "cost"),
    "latency": _within(lambda output: None if output.latency_ms is None else float(output.latency_ms), "latency"),
}
