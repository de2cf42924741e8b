"""A promptfoo assertion as scorers of ours that give the same verdicts, or kept without being run, with the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evals_app.files.promptfoo_values import script_text
from evals_app.model_settings import Offer
from evals_app.scorers import SCORERS, read_scorers
from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid, invalid_field
from registry.core.yaml_tree import Part, read_yaml

GRADED = {kind for kind, scorer in SCORERS.items() if scorer.is_graded}
CODE = {"javascript", "python", "ruby", "webhook"}
MEMBERS = {"type", "value", "threshold", "weight", "metric", "assert", "config", "provider", "rubricPrompt"}
NEVER = "custom code is never run here"
EMBEDDING = re.compile(r"[\w-]+:embeddings?:(\S+)")
# How a provider's id says that a model is asked: before the model, where it says it at all.
ASKED_AS = {"chat", "completion", "responses", "messages"}
PROGRAMS = {"exec", "file", "python", "package", "golang", "ruby", "webhook", "http", "https", "ws", "wss", "browser"}
_LONGEST_NAME = 90
MOST_ASSERTIONS = 1_000

type Spec = dict[str, JSON]
type Say = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class Judges:
    """Who may judge: what the workspace's providers offer, and the provider that a configuration names for all, if any."""

    offers: Sequence[Offer] = ()
    default: Part = field(default_factory=lambda: Part(0))

    def named(self, members: Mapping[str, Part], *, embeds: bool) -> Part:
        """The provider that an assertion names, else the one for all, which may name one of each kind."""
        own = members.get("provider")
        if own is not None:
            return own
        kinds = self.default.members()
        if "text" in kinds or "embedding" in kinds:
            return kinds.get("embedding" if embeds else "text", Part(0))
        is_embedding = EMBEDDING.fullmatch(provider_id(self.default)) is not None
        return self.default if is_embedding == embeds else Part(0)

    def offering(self, part: Part) -> Spec:
        """The workspace's provider and model for a provider such as `openai:chat:gpt-4o-mini`; raises NotSupported."""
        named = provider_id(part)
        kind, _, rest = named.partition(":")
        family, _, model = rest.rpartition(":")
        if not kind or not model or kind in PROGRAMS or (family and family not in ASKED_AS):
            raise NotSupported(
                part.line, f"its provider {named[:80] or 'without an id'} names no model that could judge"
            )
        fitting = [offer for offer in self.offers if model in offer.models]
        if not fitting:
            raise NotSupported(part.line, f"no provider of this workspace offers {model[:80]}, which is to judge")
        best = min(fitting, key=lambda offer: (offer.name != kind, not offer.is_default, offer.name))
        return {"provider": best.name, "model": model}


def provider_id(part: Part) -> str:
    """The id of a provider, which is a text or a mapping that has one."""
    return (part.members().get("id", Part(0)) if isinstance(part.value, dict) else part).text()


class NotSupported(ValueError):
    """Why an assertion cannot be run; `line` is where that stands."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line
        self.why = why


@dataclass
class Mapped:
    """What a list of assertions came to: scorers with names of their own, and the groups that sets of them became."""

    scorers: list[JSON] = field(default_factory=list)
    groups: list[JSON] = field(default_factory=list)


def map_assertions(
    parts: list[Part], *, taken: Names, say: Say, disabled: str = "", judges: Judges | None = None
) -> Mapped:
    """Each assertion as a scorer, in order; `taken` are names in use, and gains those given. `disabled` disables all."""
    judges = judges or Judges()
    mapped = Mapped()
    for part in parts:
        if part.members().get("type", Part(0)).value == "assert-set":
            _map_set(part, mapped, taken, say, disabled, judges=judges)
        else:
            mapped.scorers.append(_mapped(part, taken, say, disabled, judges=judges))
    return mapped


class Names(set[str]):
    """Names in use, each stem with the number that it comes to next: a thousand of one name are given out in one go."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        super().__init__(names)
        self.following: dict[str, int] = dict(names.following) if isinstance(names, Names) else {}


def free_name(name: str, taken: Names) -> str:
    """The name itself, or with a number where that is taken; it is taken then. Raises Invalid for far too many."""
    if len(taken) >= MOST_ASSERTIONS:
        raise invalid_field("file", "length", f"A test has more than {MOST_ASSERTIONS:,} assertions: split it.")
    stem = name[:_LONGEST_NAME] or "assertion"
    found, number = stem, taken.following.get(stem, 2)
    while found in taken:
        found, number = f"{stem}-{number}", number + 1
    taken.following[stem] = number
    taken.add(found)
    return found


def _map_set(part: Part, mapped: Mapped, taken: Names, say: Say, disabled: str, *, judges: Judges) -> None:
    members = part.members()
    name = free_name(members.get("metric", Part(0)).text() or "set", taken)
    group: Spec = {"name": name}
    weight, threshold = members.get("weight"), members.get("threshold")
    if weight is not None:
        group["weight"] = _number(weight)
    if threshold is not None:
        group |= {"combine": "weighted_mean", "threshold": _number(threshold)}
        if group["threshold"] == 0:
            say(threshold.line, "a threshold of 0 is reached by everything: the set is only reported")
            group = {"name": name, "weight": 0}
    mapped.groups.append(group)
    for inner in members.get("assert", Part(0)).entries():
        spec = _mapped(inner, taken, say, disabled, judges=judges)
        mapped.scorers.append({**spec, "group": name})


def _mapped(part: Part, taken: Names, say: Say, disabled: str, *, judges: Judges) -> Spec:
    members = part.members()
    kind = members.get("type", Part(0)).text()
    base = kind.removeprefix("not-")
    name = free_name(members.get("metric", Part(0)).text() or kind or "assertion", taken)
    try:
        if disabled:
            raise NotSupported(part.line, disabled)
        embeds = base.partition(":")[0] == "similar"
        named = judges.named(members, embeds=embeds)
        members = {**members, "provider": named} if named.value is not None else members
        spec = _spec(kind, base, members, part.line)
        if not embeds and spec["kind"] in GRADED and named.value is not None:
            spec |= judges.offering(named)
            if "config" in named.members():
                say(
                    named.line,
                    "config of a judge's provider: what a judge is asked with is in the config of its prompt",
                )
        _refuse_mistakes(spec, part.line)
    except NotSupported as problem:
        say(problem.line, f"{kind or 'this assertion'} is imported disabled: {problem.why}")
        was = json.dumps(part.plain(), ensure_ascii=False)[:5000]
        return {"kind": "disabled", "name": name, "weight": 0, "why": problem.why[:500], "was": was}
    return {**spec, "name": name}


def _spec(kind: str, base: str, members: Mapping[str, Part], line: int) -> Spec:
    for unknown in members.keys() - MEMBERS:
        raise NotSupported(members[unknown].line, f"{unknown} changes what is judged, and {NEVER}")
    value = members.get("value", Part(line))
    if base in CODE:
        raise NotSupported(line, NEVER)
    if any(text.startswith(("file://", "package:")) for text in _texts(value)):
        raise NotSupported(value.line, "files are never read: write the value itself")
    maker = MAKERS.get(base)
    if maker is None:
        raise NotSupported(line, f"there is no scorer for {base or 'an assertion without a type'}")
    spec = maker(value, members)
    if kind.startswith("not-"):
        spec["negate"] = True
    if "weight" in members:
        spec["weight"] = _number(members["weight"])
    return spec


def _refuse_mistakes(spec: Spec, line: int) -> None:
    errors: list[FieldError] = []
    read_scorers([{**spec}], errors)
    if errors:
        field_ = errors[0].field.partition(".")[2] or errors[0].field
        raise NotSupported(line, f"{field_} {errors[0].message}")


def _texts(part: Part) -> list[str]:
    return [one.value for one in part.walk() if isinstance(one.value, str)]


def _number(part: Part) -> float:
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


def _levenshtein(value: Part, members: Mapping[str, Part]) -> Spec:
    most = _number(members["threshold"]) if "threshold" in members else 5
    return {"kind": "edit_distance", "exact": True, "most": most, "value": _required(value, members["type"].line)}


def _share(kind: str) -> Callable[[Part, Mapping[str, Part]], Spec]:
    def make(value: Part, members: Mapping[str, Part]) -> Spec:
        threshold: Spec = {"threshold": _number(members["threshold"])} if "threshold" in members else {}
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
        return {"kind": kind, "most": _number(members["threshold"])}

    return make


def _without_value(kind: str) -> Callable[[Part, Mapping[str, Part]], Spec]:
    return lambda value, members: {"kind": kind}


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
        return spec | ({"threshold": _number(members["threshold"])} if "threshold" in members else {})

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


MAKERS: Mapping[str, Callable[[Part, Mapping[str, Part]], Spec]] = {
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
    "levenshtein": _levenshtein,
    "rouge-n": _share("promptfoo_rouge_n"),
    "bleu": _share("promptfoo_bleu"),
    "gleu": _share("promptfoo_gleu"),
    "word-count": _word_count,
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
