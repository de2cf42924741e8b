"""A promptfoo assertion as scorers of ours that give the same verdicts, or kept without being run, with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evals_app.files.promptfoo_makers import (
    ELSEWHERE,
    EMBEDDING,
    MAKERS,
    METEOR,
    NotSupported,
    Spec,
    number,
    provider_id,
)
from evals_app.model_settings import Offer
from evals_app.scorers import SCORERS, read_scorers
from registry.core.canonical import JSON
from registry.core.errors import FieldError, invalid_field
from registry.core.yaml_tree import Part

GRADED = {kind for kind, scorer in SCORERS.items() if scorer.is_graded}
CODE = {"javascript", "python", "ruby", "webhook"}
MEMBERS = {"type", "value", "threshold", "weight", "metric", "assert", "config", "provider", "rubricPrompt"}
NEVER = "custom code is never run here"
# How a provider's id says that a model is asked: before the model, where it says it at all.
ASKED_AS = {"chat", "completion", "responses", "messages"}
PROGRAMS = {"exec", "file", "python", "package", "golang", "ruby", "webhook", "http", "https", "ws", "wss", "browser"}
_LONGEST_NAME = 90
MOST_ASSERTIONS = 1_000

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
        group["weight"] = number(weight)
    if threshold is not None:
        group |= {"combine": "weighted_mean", "threshold": number(threshold)}
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
    for unknown in members.keys() - MEMBERS - (METEOR if base == "meteor" else set()):
        raise NotSupported(members[unknown].line, f"{unknown} changes what is judged, and {NEVER}")
    value = members.get("value", Part(line))
    if base in CODE:
        raise NotSupported(line, NEVER)
    if any(text.startswith(("file://", "package:")) for text in _texts(value)):
        raise NotSupported(value.line, "files are never read: write the value itself")
    if base in ELSEWHERE:
        raise NotSupported(line, f"{ELSEWHERE[base]}, which is no part of an answer")
    maker = MAKERS.get(base)
    if maker is None:
        raise NotSupported(line, f"there is no scorer for {base or 'an assertion without a type'}")
    spec = maker(value, members)
    if kind.startswith("not-"):
        spec["negate"] = True
    if "weight" in members:
        spec["weight"] = number(members["weight"])
    return spec


def _refuse_mistakes(spec: Spec, line: int) -> None:
    errors: list[FieldError] = []
    read_scorers([{**spec}], errors)
    if errors:
        field_ = errors[0].field.partition(".")[2] or errors[0].field
        raise NotSupported(line, f"{field_} {errors[0].message}")


def _texts(part: Part) -> list[str]:
    return [one.value for one in part.walk() if isinstance(one.value, str)]
