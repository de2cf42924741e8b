"""What a suite version is made of: cases, scorers and the rules of its verdict, as plain values with one digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from evals_app.judge_seats import JudgePin, read_pins
from evals_app.metric_rules import (
    MEASURES,
    SUPERIOR_ON,
    MetricSpec,
    SuperiorOn,
    mistakes_in,
    read_metrics,
    scoring_of,
)
from evals_app.scorers import SCORERS, Combination, ScorerSpec, is_higher_better, read_scorers, scorer_versions
from evals_app.scorers.combining import ALL_OF_THEM, group_mistakes, read_combination
from evals_app.scorers.spec import PASSES
from evals_app.verdict_rules import MODES, Mode, Rule
from prompts_app.content import Message, Placeholder, parse_source
from registry.core.canonical import JSON, digest
from registry.core.errors import FieldError, Invalid
from registry.core.fields import Fields, refuse_mistakes

MOST_CASES, MOST_TAGS = 10_000, 50
KEY = re.compile(r"[^\x00-\x1f\x7f]+")
# What a case may have besides scorers and messages.
_PLAIN = frozenset({"key", "variables", "expected", "tags", "critical", "cluster"})


@dataclass(frozen=True, slots=True)
class CaseSpec:
    """One question. `variables` are values; `expected` is None where the case expects nothing.

    `scorers` are added to the suite's; one of the same name takes its place. `combination` goes over the suite's.
    """

    key: str
    variables: Mapping[str, JSON] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    expected: JSON = None
    tags: tuple[str, ...] = ()
    critical: bool = False
    cluster: str | None = None
    scorers: tuple[ScorerSpec, ...] = ()
    combination: Combination = ALL_OF_THEM

    @property
    def cluster_key(self) -> str:
        """Cases that share it are one observation when uncertainty is counted; a case alone has its own."""
        return f"case:{self.key}" if self.cluster is None else f"cluster:{self.cluster}"

    def to_json(self) -> dict[str, JSON]:
        """As the API takes it, without what is left at its default."""
        given: dict[str, JSON] = {"key": self.key, "variables": dict(self.variables)}
        given |= {"messages": [message.to_json() for message in self.messages]} if self.messages else {}
        given |= {} if self.expected is None else {"expected": self.expected}
        given |= {"tags": list(self.tags)} if self.tags else {}
        given |= {"critical": True} if self.critical else {}
        given |= {} if self.cluster is None else {"cluster": self.cluster}
        given |= {"scorers": [spec.to_json() for spec in self.scorers]} if self.scorers else {}
        return given | self.combination.to_json()


@dataclass(frozen=True, slots=True)
class SuiteContent:
    """Everything a suite version's digest covers.

    `config` is the model settings that it pins for both arms, over each version's own; None where it pins none.
    `judges` are the prompt versions that its graded scorers ask. `first_floor` is the floor of mode `floor` too. `alpha`
    is one-sided and for all `looks` together. `floor` is asked besides by the comparing modes, `least_gain` by `superior`.
    `metrics` are judged besides "passes"; all must pass, but with `superior_on` "any" one of those that should be
    superior is enough.
    """

    cases: tuple[CaseSpec, ...]
    scorers: tuple[ScorerSpec, ...]
    mode: Mode = "non_inferior"
    margin: float = 0.05
    repeats: int = 3
    looks: int = 1
    first_floor: float = 0.5
    alpha: float = 0.05
    config: Mapping[str, JSON] | None = None
    floor: float | None = None
    least_gain: float = 0.0
    metrics: tuple[MetricSpec, ...] = ()
    superior_on: SuperiorOn = "all"
    combination: Combination = ALL_OF_THEM
    judges: tuple[JudgePin, ...] = ()

    @property
    def posts_checks(self) -> bool:
        return any(mode != "report_only" for mode in (self.mode, *(metric.mode for metric in self.metrics)))

    @property
    def clusters(self) -> int:
        return len({case.cluster_key for case in self.cases})

    def scorers_of(self, case: CaseSpec) -> tuple[ScorerSpec, ...]:
        """The suite's scorers, each replaced by the case's own of that name, then the case's others."""
        own = {spec.name: spec for spec in case.scorers}
        shared = [own.pop(spec.name, spec) for spec in self.scorers]
        return (*shared, *own.values())

    def combination_of(self, case: CaseSpec) -> Combination:
        """How the scorers of a case come to its answer."""
        return case.combination.within(self.combination)

    def specs(self) -> Iterator[tuple[str, ScorerSpec]]:
        """Every scorer of the suite and of its cases, with the path of its fields."""
        own = ((f"cases[{index}].scorers", case.scorers) for index, case in enumerate(self.cases))
        for path, specs in (("scorers", self.scorers), *own):
            yield from ((f"{path}[{index}]", spec) for index, spec in enumerate(specs))

    def templates(self) -> Iterator[tuple[str, str]]:
        """Every template among the scorers' values, with the path of its field: to be inspected before saving."""
        for path, spec in self.specs():
            for key, template in spec.templates.items():
                yield f"{path}.value{spec.place(key)}", template

    def patterns(self) -> Iterator[tuple[str, str]]:
        """Every regular expression among the scorers' values, with the path of its field: to be read before saving."""
        for path, spec in self.specs():
            yield from ((f"{path}.value{place}", pattern) for place, pattern in SCORERS[spec.kind].patterns(spec))

    def rules_to_json(self) -> dict[str, JSON]:
        """Everything but the cases, as the API takes it."""
        return {
            "scorers": [spec.to_json() for spec in self.scorers],
            "mode": self.mode,
            "margin": self.margin,
            "repeats": self.repeats,
            "looks": self.looks,
            "first_floor": self.first_floor,
            "alpha": self.alpha,
            "config": None if self.config is None else dict(self.config),
            **self._later_rules(),
        }

    def _later_rules(self) -> dict[str, JSON]:
        """Rules that came after the first suites were saved: left out at their default, so that digests stay."""
        given = self.combination.to_json()
        given |= {} if self.floor is None else {"floor": self.floor}
        given |= {"least_gain": self.least_gain} if self.least_gain else {}
        given |= {"metrics": [metric.to_json() for metric in self.metrics]} if self.metrics else {}
        given |= {"judges": [pin.to_json() for pin in self.judges]} if self.judges else {}
        return given | ({} if self.superior_on == "all" else {"superior_on": self.superior_on})

    def to_json(self) -> dict[str, JSON]:
        return {"cases": [case.to_json() for case in self.cases], **self.rules_to_json()}

    def rule(self) -> Rule:
        """How the metric "passes" is judged: 1 for an output that passes all scorers that count, else 0."""
        return Rule(
            name=PASSES,
            mode=self.mode,
            margin=self.margin,
            floor=self.first_floor if self.mode == "floor" and self.floor is None else self.floor,
            first_floor=self.first_floor,
            alpha=self.alpha,
            looks=self.looks,
            least_gain=self.least_gain,
        )

    def rules(self) -> tuple[Rule, ...]:
        """How every metric is judged or reported: "passes" first, then `metrics` in their order, then other scorers."""
        specs = self.all_specs()
        judged = [self.rule()]
        for metric in self.metrics:
            if scoring := scoring_of(metric.name, specs):
                judged.append(metric.rule(scoring, alpha=self.alpha, looks=self.looks))
        names = {rule.name for rule in judged}
        return (*judged, *(rule for rule in self.reported_rules() if rule.name not in names))

    def all_specs(self) -> tuple[ScorerSpec, ...]:
        """The suite's scorers and every case's own."""
        return (*self.scorers, *(spec for case in self.cases for spec in case.scorers))

    def reported_rules(self) -> tuple[Rule, ...]:
        """One more metric for each of the suite's scorers, shown and never judged, named as the scorer is.

        None where a single scorer says the same as "passes" does.
        """
        shown = tuple(spec for spec in self.scorers if SCORERS[spec.kind].is_run)
        shown = shown if len(self.scorers) > 1 or any(case.scorers for case in self.cases) else ()
        return tuple(_reported(spec) for spec in shown)


def _reported(spec: ScorerSpec) -> Rule:
    if spec.name in MEASURES and (scoring := scoring_of(spec.name, ())):
        return MetricSpec(spec.name, "report_only").rule(scoring, alpha=0.05, looks=1)
    scorer = SCORERS[spec.kind]
    return Rule(spec.name, mode="report_only", binary=scorer.is_binary, higher_is_better=is_higher_better(spec))


def suite_digest(content: SuiteContent) -> str:
    """SHA-256 over the canonical JSON of everything."""
    return digest(content.to_json())


def recipe_digest(slug: str, content: SuiteContent, *, default: JSON) -> str:
    """What fresh evidence depends on besides the two versions: the suite, its scorers' versions, the model asked.

    The suite is told by its slug too: two of the same content are two questions, each with runs and a check of its own.
    A judge's prompt, and the model that it names, are in the suite by the digest of its pinned version. `default` is
    whatever settings apply where neither the suite nor a version, a judge's included, names any.
    """
    specs = [spec for case in content.cases for spec in content.scorers_of(case)]
    versions: dict[str, JSON] = dict(scorer_versions(specs))
    return digest({"slug": slug, "suite": suite_digest(content), "scorers": versions, "default": default})


def parse_suite(value: JSON) -> SuiteContent:
    """The body of a new suite version; raises Invalid `suite.invalid` naming every mistake, such as `cases[17].key`."""
    errors: list[FieldError] = []
    content = _read(value, errors)
    if not errors:
        errors += mistakes_in(content.metrics, content.all_specs())
        errors += group_mistakes(content.scorers, content.combination, path="scorers")
        for index, case in enumerate(content.cases):
            if case.scorers or case.combination.groups:
                errors += group_mistakes(case.scorers, content.combination_of(case), path=f"cases[{index}].scorers")
        _check_targets(content, errors)
    refuse_mistakes("suite.invalid", "The suite was not saved: correct the fields named.", errors)
    return content


def load_suite(rules: JSON, cases: Iterable[JSON]) -> SuiteContent:
    """What `rules_to_json` and each case's `to_json` wrote, read again; the cases may be some of them only."""
    given = rules if isinstance(rules, dict) else {}
    errors: list[FieldError] = []
    loaded = tuple(_stored_case(value, errors) for value in cases)
    content = _read(given, errors, cases=loaded)
    refuse_mistakes("suite.invalid", "The suite cannot be read: correct the fields named.", errors)
    return content


def _stored_case(value: JSON, errors: list[FieldError]) -> CaseSpec:
    """A case that was read when it was saved; where it has nothing but values it need not be read field by field again."""
    if not isinstance(value, dict) or not _PLAIN.issuperset(value):
        return _case(value, errors, "cases", is_stored=True)
    return CaseSpec(
        key=str(value["key"]),
        variables=cast("dict[str, JSON]", value.get("variables", {})),
        expected=value.get("expected"),
        tags=tuple(cast("list[str]", value.get("tags", ()))),
        critical=bool(value.get("critical", False)),
        cluster=cast("str | None", value.get("cluster")),
    )


def _read(value: JSON, errors: list[FieldError], *, cases: tuple[CaseSpec, ...] | None = None) -> SuiteContent:
    """Everything; the cases too unless they were read before, as those of a stored suite are."""
    given = Fields(value, errors)
    scorers = read_scorers(given.raw("scorers", []), errors, is_stored=cases is not None)
    content = SuiteContent(
        cases=_cases(given) if cases is None else cases,
        scorers=scorers,
        mode=_mode(given),
        margin=given.number("margin", 0.05, least=0.001, most=0.5),
        repeats=given.integer("repeats", 3, least=1, most=20),
        looks=given.integer("looks", 1, least=1, most=10),
        first_floor=given.number("first_floor", 0.5, least=0.001, most=0.999),
        alpha=given.number("alpha", 0.05, least=0.001, most=0.25),
        config=_config(given),
        floor=given.number("floor", None, least=0.001, most=0.999),
        least_gain=given.number("least_gain", 0.0, least=0, most=0.5),
        metrics=read_metrics(given),
        superior_on=_superior_on(given),
        combination=read_combination(given),
        judges=read_pins(given),
    )
    given.close()
    return content


def case_problems(value: JSON) -> list[FieldError]:
    """What is wrong with one case by itself; fields are named from the case on, such as `tags[0]`."""
    errors: list[FieldError] = []
    _case(value, errors, "")
    return errors


def _mode(given: Fields) -> Mode:
    chosen = given.choice("mode", "non_inferior", MODES)
    return next(mode for mode in MODES if mode == chosen)


def _superior_on(given: Fields) -> SuperiorOn:
    chosen = given.choice("superior_on", "all", SUPERIOR_ON)
    return "any" if chosen == "any" else "all"


def _config(given: Fields) -> Mapping[str, JSON] | None:
    config = given.raw("config")
    if config is not None and not isinstance(config, dict):
        given.refuse("config", "type", "must be an object of model settings")
        return None
    return config


def _cases(given: Fields) -> tuple[CaseSpec, ...]:
    if not given.require("cases"):
        return ()
    before = len(given.errors)
    values = given.items("cases", most=MOST_CASES)
    if not values and len(given.errors) == before:
        given.refuse("cases", "required", "must have at least one case")
    cases = [_case(value, given.errors, f"cases[{index}]") for index, value in enumerate(values)]
    first: dict[str, int] = {}
    for index, case in enumerate(cases):
        if case.key and first.setdefault(case.key, index) != index:
            message = f"is the key of cases[{first[case.key]}] too: keys are unique within a suite"
            given.errors.append(FieldError(f"cases[{index}].key", "taken", message))
    return tuple(cases)


def _case(value: JSON, errors: list[FieldError], path: str, *, is_stored: bool = False) -> CaseSpec:
    given = Fields(value, errors, path=path)
    has_key = given.require("key")
    variables = given.raw("variables", {})
    if not isinstance(variables, dict):
        given.refuse("variables", "type", "must be an object of values by name")
        variables = {}
    case = CaseSpec(
        key=given.text("key", "", least=1, most=200, pattern=KEY, shape="without control characters")
        if has_key
        else "",
        variables=variables,
        messages=_messages(given),
        expected=given.raw("expected"),
        tags=_tags(given),
        critical=given.boolean("critical", False),
        cluster=given.text("cluster", None, least=1, most=200),
        scorers=read_scorers(given.raw("scorers", []), errors, path=given.name("scorers"), is_stored=is_stored),
        combination=read_combination(given),
    )
    given.close()
    return case


def _messages(given: Fields) -> tuple[Message, ...]:
    """The message history of a case: fixed messages, neither templates nor placeholders."""
    values = given.raw("messages")
    if values is None or values == []:
        return ()
    try:
        turns = parse_source("chat", {"messages": values}).messages or ()
    except Invalid as refused:
        given.errors += [FieldError(given.name(error.field), error.code, error.message) for error in refused.errors]
        return ()
    for index, turn in enumerate(turns):
        if isinstance(turn, Placeholder):
            given.refuse(f"messages[{index}]", "type", "must be a message: a case has no placeholders")
    return tuple(turn for turn in turns if isinstance(turn, Message))


def _tags(given: Fields) -> tuple[str, ...]:
    tags = []
    for index, tag in enumerate(given.items("tags", most=MOST_TAGS)):
        if isinstance(tag, str) and 0 < len(tag) <= 100 and KEY.fullmatch(tag):
            tags.append(tag)
        else:
            given.refuse(f"tags[{index}]", "type", "must be a string of 1 to 100 characters")
    return tuple(dict.fromkeys(tags))


def _check_targets(content: SuiteContent, errors: list[FieldError]) -> None:
    """Every case has a scorer that counts, and something to compare with where a scorer has no value of its own."""
    for index, case in enumerate(content.cases):
        specs, combination = content.scorers_of(case), content.combination_of(case)
        if content.mode != "report_only" and not any(combination.counts(spec) for spec in specs):
            if content.scorers or case.scorers:
                errors.append(
                    FieldError(f"cases[{index}].scorers", "required", "must have one whose weight is above 0")
                )
            else:
                errors.append(FieldError("scorers", "required", "must have at least one, or each case its own"))
                return
        lacking = [
            spec.name for spec in specs if not spec.has_value and SCORERS[spec.kind].target == "value or expected"
        ]
        if lacking and case.expected is None:
            message = f"is required: the scorer {lacking[0]} compares with it"
            errors.append(FieldError(f"cases[{index}].expected", "required", message))
