"""What makes a scorer of ours of a promptfoo assertion, by its type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from evals_app.files.promptfoo_values import script_text
from registry.core.canonical import JSON
from registry.core.errors import Invalid
from registry.core.yaml_tree import Part, read_yaml

EMBEDDING = re.compile(r"[\w-]+:embeddings?:(\S+)")
METEOR = {"alpha", "beta", "gamma"}
HIGHEST = 1e12
# What judges more than an answer has in it, and why that is not run.
ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(("trace-span-count", "trace-span-duration", "trace-error-spans"), "it judges a trace"),
    **dict.fromkeys(
        (
            *("trajectory:tool-used", "trajectory:tool-args-match", "trajectory:tool-sequence"),
            *("trajectory:step-count", "trajectory:goal-success"),
        ),
        "it judges the trace of an agent",
    ),
    "skill-used": "it judges which skills an agent's provider reports",
    "guardrails": "it judges what a provider's own guardrails report",
}

type Spec = dict[str, JSON]
type Maker = Callable[[Part, Mapping[str, Part]], Spec]


class NotSupported(ValueError):
    """Why an assertion cannot be run; `line` is where that stands."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line
        self.why = why


def provider_id(part: Part) -> str:
    """The id of a provider, which is a text or a mapping that has one."""
    return (part.members().get("id", Part(0)) if isinstance(part.value, dict) else part).text()


def number(part: Part) -> float:
    if isinstance(part.value, bool) or not isinstance(part.value, int | float):
        raise NotSupported(part.line, "a weight or threshold must be a number")
    return part.value


def _required(value: Part, line: int) -> JSON:
    if value.value in (None, ""):
        raise NotSupported(value.line or line, "it has no value")
    return value.plain()


def _equals(value: Part, members: Mapping[str, Part]) -> Spec:
    plain = value.plain()
    return {"kind": "equals", "exact": True, "value": plain if isinstance(plain, dict | list) else script_text(plain)}


def _containing(kind: str, of: str = "") -> Callable[[Part, Mapping[str, Part]], Spec]:
    def make(value: Part, members: Mapping[str, Part]) -> Spec:
        plain = _required(value, members["type"].line)
        if not of:
            return {"kind": kind, "value": script_text(plain)}
        entries = plain if isinstance(plain, list) else comma_separated(script_text(plain))
        return {"kind": kind, "of": of, "value": [script_text(one) for one in entries]}

    return make


def _starts_with(value: Part, members: Mapping[str, Part]) -> Spec:
    return {"kind": "starts_with", "exact": True, "value": script_text(_required(value, members["type"].line))}


def _regex(value: Part, members: Mapping[str, Part]) -> Spec:
    return {"kind": "regex", "value": python_pattern(script_text(_required(value, members["type"].line)))}


def _is_json(value: Part, members: Mapping[str, Part]) -> Spec:
    schema = _schema(value)
    return {"kind": "is_json"} if schema is None else {"kind": "json_schema", "exact": True, "value": schema}


def _contains_json(value: Part, members: Mapping[str, Part]) -> Spec:
    return {"kind": "contains_json", "value": _schema(value) or {"type": "object"}}


def _schema(value: Part) -> JSON:
    """The schema; one that is written as a text is YAML."""
    if not isinstance(value.value, str):
        return value.plain()
    try:
        return read_yaml(value.value).plain()
    except Invalid as error:
        raise NotSupported(value.line, f"the schema cannot be read: {error.detail}") from None


def _xml(kind: str) -> Callable[[Part, Mapping[str, Part]], Spec]:
    """The elements asked for are a list, a text with commas, or the member `requiredElements`."""

    def make(value: Part, members: Mapping[str, Part]) -> Spec:
        required = value.members().get("requiredElements", Part(value.line)) if value.members() else value
        if value.members() and not isinstance(required.value, list):
            raise NotSupported(value.line, "its value must be a list of elements, or a text with commas")
        plain = required.plain()
        spec: Spec = {"kind": kind}
        found: JSON = [script_text(one) for one in plain] if isinstance(plain, list) else plain
        return spec | ({"value": found} if found else {})

    return make


def _levenshtein(value: Part, members: Mapping[str, Part]) -> Spec:
    most = number(members["threshold"]) if "threshold" in members else 5
    return {"kind": "edit_distance", "exact": True, "most": most, "value": _required(value, members["type"].line)}


def _share(kind: str) -> Callable[[Part, Mapping[str, Part]], Spec]:
    def make(value: Part, members: Mapping[str, Part]) -> Spec:
        threshold: Spec = {"threshold": number(members["threshold"])} if "threshold" in members else {}
        return {"kind": kind, "value": _required(value, members["type"].line), **threshold}

    return make


def _word_count(value: Part, members: Mapping[str, Part]) -> Spec:
    bounds = value.members()
    if not bounds:
        plain = value.plain()
        number = int(plain) if isinstance(plain, str) and plain.isdecimal() else plain
        return {"kind": "word_count", "least": number, "most": number}
    spec: Spec = {"kind": "word_count"}
    spec |= {"least": bounds["min"].plain()} if "min" in bounds and bounds["min"].value else {}
    return spec | ({"most": bounds["max"].plain()} if "max" in bounds else {})


def _budget(kind: str) -> Callable[[Part, Mapping[str, Part]], Spec]:
    def make(value: Part, members: Mapping[str, Part]) -> Spec:
        if "threshold" not in members:
            raise NotSupported(members["type"].line, "it has no threshold")
        return {"kind": kind, "most": number(members["threshold"])}

    return make


def _without_value(kind: str) -> Callable[[Part, Mapping[str, Part]], Spec]:
    return lambda value, members: {"kind": kind}


def _sql(kind: str) -> Maker:
    def make(value: Part, members: Mapping[str, Part]) -> Spec:
        given = value.members()
        if value.value and not given:
            raise NotSupported(value.line, "its value must be an object")
        name = given.get("databaseType", Part(0)).text().lower()
        columns = [script_text(one) for one in _list(given, "allowedColumns")]
        others = [one.split("::") for one in columns if one.count("::") == 2]
        columns += [f"{action}::null::{column}" for action, table, column in others if table != "null"]
        lists = {"tables": [script_text(one) for one in _list(given, "allowedTables")], "columns": columns}
        return {
            "kind": kind,
            **({"dialect": name} if name else {}),
            **{key: [*one] for key, one in lists.items() if one},
        }

    return make


def _list(given: Mapping[str, Part], name: str) -> list[JSON]:
    plain = given[name].plain() if name in given else []
    return plain if isinstance(plain, list) else []


def _meteor(value: Part, members: Mapping[str, Part]) -> Spec:
    weights: Spec = {name: number(members[name]) for name in METEOR if name in members}
    return {**_share("promptfoo_meteor")(value, members), **weights}


def _tool_call_f1(value: Part, members: Mapping[str, Part]) -> Spec:
    plain = _required(value, members["type"].line)
    return _share("tool_call_f1")(value, members) | {
        "value": [script_text(one) for one in plain] if isinstance(plain, list) else script_text(plain)
    }


def _finish_reason(value: Part, members: Mapping[str, Part]) -> Spec:
    return {"kind": "finish_reason", "value": script_text(_required(value, members["type"].line))}


def _perplexity(value: Part, members: Mapping[str, Part]) -> Spec:
    return {"kind": "perplexity", "most": number(members["threshold"]) if "threshold" in members else HIGHEST}


def _perplexity_score(value: Part, members: Mapping[str, Part]) -> Spec:
    """1 / (1 + perplexity) has to reach the threshold."""
    least = number(members["threshold"]) if "threshold" in members else 0
    if not 0 <= least < 1:
        raise NotSupported(members["threshold"].line, "a threshold that no perplexity reaches, or each")
    return {"kind": "perplexity", "most": 1 / least - 1 if least else HIGHEST}


def _similar(value: Part, members: Mapping[str, Part]) -> Spec:
    """Its provider names the embedding model: `openai:embedding:<model>`, or such an id in a mapping."""
    provider = members.get("provider", Part(0))
    match = EMBEDDING.fullmatch(provider_id(provider))
    if match is None:
        said = "it names no embedding model; with a provider such as openai:embedding:text-embedding-3-small it would"
        raise NotSupported(provider.line or members["type"].line, said)
    return {"model": match[1], **_graded("embedding_similarity")(value, members)}


def _graded(kind: str, *, has_value: bool = True) -> Callable[[Part, Mapping[str, Part]], Spec]:
    def make(value: Part, members: Mapping[str, Part]) -> Spec:
        for name in ("rubricPrompt", "config"):
            if name in members:
                raise NotSupported(members[name].line, f"{name} is not taken over: judges' prompts are kept as prompts")
        spec: Spec = {"kind": kind}
        spec |= {"value": value.plain()} if has_value and value.value is not None else {}
        return spec | ({"threshold": number(members["threshold"])} if "threshold" in members else {})

    return make


def comma_separated(text: str) -> list[JSON]:
    """Entries between commas; quotes hold commas together, and are doubled inside."""
    found: list[JSON] = []
    for match in re.finditer(r'\s*(?:"((?:[^"]|"")*)"|([^,]*))\s*(?:,|$)', text):
        quoted, plain = match[1], match[2]
        entry = quoted.replace('""', '"') if quoted is not None else (plain or "").strip()
        found += [entry] if entry or quoted is not None else []
    return found


def python_pattern(pattern: str) -> str:
    """A JavaScript pattern as Python reads it: named groups, and `$` at the very end only."""
    named = re.sub(r"\(\?<([A-Za-z_]\w*)>", r"(?P<\1>", pattern)
    named = re.sub(r"\\k<([A-Za-z_]\w*)>", r"(?P=\1)", named)
    out, in_class, index = [], False, 0
    while index < len(named):
        character = named[index]
        if character == "\\":
            out.append(named[index : index + 2])
            index += 2
            continue
        in_class = (in_class or character == "[") and not (in_class and character == "]")
        out.append(r"\Z" if character == "$" and not in_class else character)
        index += 1
    return "".join(out)


MAKERS: Mapping[str, Maker] = {
    "equals": _equals,
    "contains": _containing("contains"),
    "icontains": _containing("icontains"),
    "contains-any": _containing("contains", "any"),
    "contains-all": _containing("contains", "all"),
    "icontains-any": _containing("icontains", "any"),
    "icontains-all": _containing("icontains", "all"),
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _is_json,
    "contains-json": _contains_json,
    "is-xml": _xml("is_xml"),
    "contains-xml": _xml("contains_xml"),
    "contains-html": _without_value("contains_html"),
    "is-html": _without_value("is_html"),
    "is-sql": _sql("is_sql"),
    "contains-sql": _sql("contains_sql"),
    "levenshtein": _levenshtein,
    "rouge-n": _share("promptfoo_rouge_n"),
    "bleu": _share("promptfoo_bleu"),
    "gleu": _share("promptfoo_gleu"),
    "meteor": _meteor,
    "word-count": _word_count,
    "tool-call-f1": _tool_call_f1,
    "finish-reason": _finish_reason,
    "perplexity": _perplexity,
    "perplexity-score": _perplexity_score,
    "cost": _budget("cost"),
    "latency": _budget("latency"),
    "is-refusal": _without_value("refusal"),
    "is-valid-openai-tools-call": _without_value("valid_tool_call"),
    "is-valid-openai-function-call": _without_value("valid_tool_call"),
    "is-valid-function-call": _without_value("valid_tool_call"),
    "llm-rubric": _graded("rubric"),
    "g-eval": _graded("rubric"),
    "model-graded-closedqa": _graded("rubric"),
    "factuality": _graded("factuality"),
    "model-graded-factuality": _graded("factuality"),
    "answer-relevance": _graded("answer_relevance", has_value=False),
    "context-faithfulness": _graded("groundedness", has_value=False),
    "context-recall": _graded("context_recall"),
    "context-relevance": _graded("context_precision"),
    "similar": _similar,
    "similar:cosine": _similar,
}
