"""A promptfoo configuration as cases and scorers: what it asserts is judged as there, what it runs is never run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evals_app.files.columns import MadeKeys, Mistake, ReadCase, Reading, made_key
from evals_app.files.promptfoo_assertions import NEVER, Judges, Mapped, Names, map_assertions
from evals_app.files.promptfoo_values import Room, TooMuchError, substituted
from evals_app.model_settings import Offer
from evals_app.suite_content import MOST_CASES, case_problems
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import invalid_field
from registry.core.yaml_tree import Part, read_yaml

MOST_NOTES = 500
TOP = {"description", "prompts", "tests", "defaultTest", "scenarios"}
TEST = {"description", "vars", "assert", "threshold", "metadata"}
SILENT = {"$schema", "evaluateOptions", "outputPath", "sharing", "writeLatestResults", "tags", "commandLineOptions"}
WHY_NOT: Mapping[str, str] = {
    "providers": "providers are set up here once, and a version's config names its model; programs as providers are never run",
    "targets": "providers are set up here once, and a version's config names its model; programs as providers are never run",
    "transform": f"{NEVER}",
    "extensions": f"{NEVER}",
    "nunjucksFilters": f"{NEVER}",
    "assertScoringFunction": f"{NEVER}",
    "env": "settings of the machine are not taken over",
    "derivedMetrics": "there are no derived metrics: each scorer is a metric of its own",
    "redteam": "red teaming is not taken over",
    "provider": "one provider for all cases: pin it in the suite's config, or name it in the version's",
    "providers_of_test": "cases are asked of the version's own model",
    "prompts": "a suite is asked of any prompt: cases are not tied to one",
    "providerOutput": "answers come from the model",
    "options": "not taken over",
}


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is not taken over as it stands, and why; `line` is 0 for the file as a whole."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class FoundPrompt:
    """A prompt of the file, as a text or as messages (JSON)."""

    line: int
    label: str
    text: str = ""
    messages: JSON = None

    def content(self) -> dict[str, JSON]:
        """As a version of a prompt takes it."""
        return {"text": self.text} if self.messages is None else {"messages": self.messages}

    @property
    def kind(self) -> str:
        """The kind of the prompt it makes."""
        return "text" if self.messages is None else "chat"


@dataclass(frozen=True, slots=True)
class PromptfooSuite:
    """What a configuration came to."""

    reading: Reading
    rules: Mapping[str, JSON]
    notes: tuple[Note, ...]
    prompts: tuple[FoundPrompt, ...]


@dataclass
class _Reader:
    notes: list[Note] = field(default_factory=list)
    cases: list[ReadCase] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    keys: MadeKeys = field(default_factory=MadeKeys)
    shared: Mapped = field(default_factory=Mapped)
    names: Names = field(default_factory=Names)
    offers: Sequence[Offer] = ()
    room: Room = field(default_factory=Room)
    read: int = 0

    def say(self, line: int, text: str) -> None:
        note = Note(line, text)
        if len(self.notes) < MOST_NOTES and note not in self.notes[-50:]:
            self.notes.append(note)


def read_promptfoo(text: str, offers: Sequence[Offer] = ()) -> PromptfooSuite:
    """A configuration's tests as cases, its defaultTest's assertions as the suite's scorers; raises Invalid for what is no YAML.

    Lists of values become one case each, in all combinations, as there. A provider that grades becomes one of `offers`,
    those of the workspace. Everything not taken over is a note with its line.
    """
    root = read_yaml(text)
    top = root.members()
    if not top:
        raise invalid_field("file", "type", "This is no promptfoo configuration: it must be an object with `tests`.")
    reader = _Reader(offers=offers)
    for name, part in top.items():
        if name not in TOP | SILENT:
            reader.say(part.line, f"{name}: {WHY_NOT.get(name, 'not known here, and not taken over')}")
    default = top.get("defaultTest", Part(0))
    if default.text():
        reader.say(default.line, "defaultTest: files are never read: write it out")
    rules = _shared_rules(reader, default)
    for part, tests in _tests(reader, top):
        _add_test(reader, part, tests, default)
    prompts = tuple(_prompts(reader, top.get("prompts", Part(0))))
    if not reader.cases and not reader.mistakes:
        reader.say(root.line, "there is no test to take over")
    reading = Reading(tuple(reader.cases), tuple(reader.mistakes), reader.read, len(reader.cases))
    return PromptfooSuite(reading, rules, tuple(sorted(reader.notes, key=lambda note: note.line or 0)), prompts)


def _shared_rules(reader: _Reader, default: Part) -> dict[str, JSON]:
    """The suite's scorers and how they combine, from defaultTest."""
    members = default.members()
    _note_unknown(reader, members)
    reader.shared = map_assertions(
        _asserts(reader, members),
        taken=reader.names,
        say=reader.say,
        disabled=_disabling(members),
        judges=_judges(reader, members),
    )
    rules: dict[str, JSON] = {"scorers": reader.shared.scorers}
    rules |= {"groups": reader.shared.groups} if reader.shared.groups else {}
    return rules | _threshold(reader, members)


def _tests(reader: _Reader, top: Mapping[str, Part]) -> Iterator[tuple[Part, tuple[Part, ...]]]:
    """Every test, with what it stands on: itself, and in a scenario the configuration that it is repeated for."""
    for part in _entries(reader, top.get("tests", Part(0)), "tests"):
        yield part, (part,)
    for scenario in _entries(reader, top.get("scenarios", Part(0)), "scenarios"):
        members = scenario.members()
        tests = members.get("tests", Part(0)).entries() or [Part(scenario.line, {})]
        for given in _entries(reader, members.get("config", Part(0)), "config"):
            for part in tests:
                yield part, (given, part)


def _entries(reader: _Reader, part: Part, what: str) -> Iterator[Part]:
    """The objects of a list; references to files are noted."""
    if part.text():
        reader.say(part.line, f"{what}: files are never read: import {part.text()[:100]} by itself")
    for one in part.entries():
        if isinstance(one.value, dict):
            yield one
        else:
            reader.say(one.line, f"{what}: files are never read: import {str(one.value)[:100]} by itself")


def _add_test(reader: _Reader, part: Part, stands_on: tuple[Part, ...], default: Part) -> None:
    """The cases of one test: one for each combination of its values."""
    taken, mapped = Names(reader.names), Mapped()
    variables: dict[str, Part] = dict(default.members().get("vars", Part(0)).members())
    extra: dict[str, JSON] = {}
    for one in stands_on:
        members = one.members()
        _note_unknown(reader, members)
        if members.get("vars", Part(0)).text():
            reader.say(one.line, "vars: files are never read: write the values out")
        variables |= members.get("vars", Part(0)).members()
        found = map_assertions(
            _asserts(reader, members),
            taken=taken,
            say=reader.say,
            disabled=_disabling(members, default.members()),
            judges=_judges(reader, members, default.members()),
        )
        mapped.scorers += found.scorers
        mapped.groups += found.groups
        extra |= _threshold(reader, members) | _tags(members)
    extra |= {"scorers": mapped.scorers} if mapped.scorers else {}
    extra |= {"groups": mapped.groups} if mapped.groups else {}
    if not any(_counts(one) for one in (*mapped.scorers, *reader.shared.scorers)):
        reader.say(part.line, "this test asserts nothing that can be run: give it a scorer before saving")
    is_one = stands_on[-1].members().get("options", Part(0)).members().get("disableVarExpansion", Part(0)).value is True
    for values in _combinations(reader, variables, is_one=is_one, line=part.line):
        _add_case(reader, part, values, extra)


def _add_case(reader: _Reader, part: Part, values: Mapping[str, JSON], extra: Mapping[str, JSON]) -> None:
    reader.read += 1
    if reader.read > MOST_CASES:
        raise invalid_field(
            "file", "length", f"Its tests come to more than {MOST_CASES:,} cases, as many as a suite takes."
        )
    described = part.members().get("description", Part(0)).text()
    key = made_key([described] if described else [str(value) for value in values.values()], reader.keys)
    reader.keys[key] = part.line
    case: dict[str, JSON] = {"key": key, "variables": dict(values), **extra}
    problems = [Mistake(part.line, problem.field, problem.message) for problem in case_problems(case)]
    reader.mistakes += problems
    if not problems:
        reader.cases.append(ReadCase(part.line, case))


def _combinations(
    reader: _Reader, variables: Mapping[str, Part], *, is_one: bool, line: int
) -> Iterator[dict[str, JSON]]:
    """Values by name, a list of texts standing for each of them in turn; what names other variables is filled in."""
    choices: list[tuple[str, list[JSON]]] = []
    total = 1
    for name, part in variables.items():
        if part.text().startswith(("file://", "package:")):
            reader.say(part.line, f"the variable {name}: files are never read: write the value out")
        entries = part.entries()
        is_list = bool(entries) and isinstance(entries[0].value, str) and not is_one
        choices.append((name, [one.plain() for one in entries] if is_list else [part.plain()]))
        total *= len(choices[-1][1])
        if total > MOST_CASES:
            why = f"combine to {total:,} cases or more; a suite takes {MOST_CASES:,}"
            raise invalid_field("file", "length", f"Line {line}: the values of this test {why}.")
    names = [name for name, _ in choices]
    for picked in itertools.product(*(options for _, options in choices)):
        found = dict(zip(names, picked, strict=True))
        try:
            yield {name: substituted(value, found, reader.room) for name, value in found.items()}
        except TooMuchError:
            why = "the values of all cases up to this test come to too much: each case has each of its variables"
            raise invalid_field("file", "length", f"Line {line}: {why}.") from None


def _asserts(reader: _Reader, members: Mapping[str, Part]) -> list[Part]:
    part = members.get("assert", Part(0))
    if part.text():
        reader.say(part.line, "assert: files are never read: write the assertions out")
    good = [one for one in part.entries() if isinstance(one.value, dict)]
    for one in part.entries():
        if not isinstance(one.value, dict):
            reader.say(one.line, "assert: files are never read: write the assertion out")
    return good


def _judges(reader: _Reader, *levels: Mapping[str, Part]) -> Judges:
    """Who grades where an assertion names nobody: what the options say, those of the test before those for all."""
    for members in levels:
        named = members.get("options", Part(0)).members().get("provider")
        if named is not None:
            return Judges(reader.offers, named)
    return Judges(reader.offers)


def _disabling(*levels: Mapping[str, Part]) -> str:
    """Why no assertion can be judged as it was: outputs would have gone through code first."""
    for members in levels:
        options = members.get("options", Part(0)).members()
        for name in ("transform", "postprocess", "transformVars"):
            if name in options or name in members:
                return f"{name} in line {options.get(name, members.get(name, Part(0))).line} changes what is judged, and {NEVER}"
        if "assertScoringFunction" in members:
            return f"assertScoringFunction in line {members['assertScoringFunction'].line} decides, and {NEVER}"
    return ""


def _note_unknown(reader: _Reader, members: Mapping[str, Part]) -> None:
    for name, part in members.items():
        if name == "options" and set(part.members()) <= {"disableVarExpansion", "provider"}:
            continue
        if name not in TEST:
            why = WHY_NOT.get(f"{name}_of_test", WHY_NOT.get(name, "not known here, and not taken over"))
            reader.say(part.line, f"{name}: {why}")


def _threshold(reader: _Reader, members: Mapping[str, Part]) -> dict[str, JSON]:
    part = members.get("threshold")
    if part is None:
        return {}
    value = part.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        reader.say(part.line, "threshold: it must be above 0 and at most 1: all scorers have to pass instead")
        return {}
    return {"combine": "weighted_mean", "threshold": value}


def _tags(members: Mapping[str, Part]) -> dict[str, JSON]:
    tags = members.get("metadata", Part(0)).members().get("tags", Part(0)).plain()
    is_list = isinstance(tags, list) and bool(tags) and all(isinstance(tag, str) for tag in tags)
    return {"tags": tags} if is_list else {}


def _counts(scorer: JSON) -> bool:
    return isinstance(scorer, dict) and scorer.get("weight", 1) != 0


def _prompts(reader: _Reader, part: Part) -> Iterator[FoundPrompt]:
    entries = part.entries() or ([part] if part.text() else [])
    for index, one in enumerate(entries, 1):
        members = one.members()
        raw = members.get("raw", one)
        text = raw.text()
        label = (members.get("label") or members.get("id") or Part(0)).text() or f"prompt {index}"
        if not text or "function" in members or text.startswith(("file://", "exec:", "package:")):
            reader.say(one.line, "prompts: files and functions are never read or run: paste the prompt itself")
            continue
        yield FoundPrompt(one.line, label, text, _messages(text))


def _messages(text: str) -> JSON:
    """The messages of a prompt that is written as JSON; None where it is a text."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = parse_json(text)
    except InvalidJson:
        return None
    is_chat = isinstance(value, list) and all(isinstance(one, dict) and "role" in one for one in value)
    return json.loads(json.dumps(value)) if is_chat else None
