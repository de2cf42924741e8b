"""Judges as rows: which prompt versions a suite asks, with which models, and which newer ones there are."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evals_app.judge_seats import Seat, graded_kind, key_of, prompt_of
from evals_app.model_settings import Offer, effective
from evals_app.models import Suite, SuiteVersion
from evals_app.scorers import ScorerSpec
from evals_app.scorers.graded.judging import own_model
from evals_app.scorers.kinds.embedding_similarity import MODEL, PROVIDER
from evals_app.suite_content import SuiteContent
from prompts_app.content import VersionContent, parse_content
from prompts_app.models import PromptVersion
from registry.core.canonical import JSON
from registry.core.errors import Conflict


@dataclass(frozen=True)
class Appointed:
    """Who would judge for a scorer, with the model settings that are named for it: its prompt's content, None where embeddings
    are compared, and the version that holds it, None where that is not kept yet."""

    config: Mapping[str, JSON]
    content: VersionContent | None = None
    row: PromptVersion | None = None


def graded_content(version: SuiteVersion) -> SuiteContent:
    """The version's rules with only those cases that bring scorers of their own, and the first; two queries."""
    first = version.cases.order_by("position")[:1]
    own = version.cases.filter(content__contains='"scorers"').order_by("position")
    cases = {case.pk: case for case in (*first, *own)}
    return version.load_rules(cases.values())


def seats_of(version: SuiteVersion, offers: list[Offer]) -> dict[str, Seat]:
    """Each judge of a suite version as it would be asked now; three queries, two where nothing is graded.

    Raises SettingsError where a judge's model cannot be asked.
    """
    content = graded_content(version)
    specs = {key_of(spec): spec for _, spec in content.specs() if graded_kind(spec)}
    pins = {pin.name: pin for pin in content.judges}
    prompts = pinned_versions(version.suite.workspace_id, [pin.digest for pin in content.judges])
    seats = {}
    for key, spec in specs.items():
        if (pin := pins.get(prompt_of(spec))) is not None:
            config = prompts[pin.name, pin.version].load().config
            seats[key] = Seat(effective(config, offers, pinned=own_model(spec)), pin.version, pin.digest)
        else:
            seats[key] = Seat(effective(_embedding_config(spec), offers))
    return seats


def providers_without_model(version: SuiteVersion, content: SuiteContent) -> set[str]:
    """The providers that a suite, one of its judges or any version of the workspace names but no model of them.

    Two queries, one without judges.
    """
    prompts = pinned_versions(version.suite.workspace_id, [pin.digest for pin in content.judges])
    pins = {pin.name: pin for pin in content.judges}
    naming = PromptVersion.objects.in_workspace(version.suite.workspace_id).filter(content__contains='"provider"')
    texts = naming.values_list("content", flat=True).iterator()
    configs: list[Mapping[str, JSON]] = [content.config or {}, *(_config_in(text) for text in texts)]
    for spec in {key_of(spec): spec for _, spec in content.specs() if graded_kind(spec)}.values():
        pin = pins.get(prompt_of(spec))
        row = prompts.get((pin.name, pin.version)) if pin else None
        configs += [{**row.load().config, **own_model(spec)}] if row else []
    return {name for one in configs if isinstance(name := one.get("provider"), str) and not one.get("model")}


def _config_in(content: str) -> Mapping[str, JSON]:
    config = json.loads(content).get("config")
    return config if isinstance(config, dict) else {}


def pinned_versions(workspace_id: int, digests: Iterable[str]) -> dict[tuple[str, int], PromptVersion]:
    """Prompt versions with these digests, by prompt name and number; one query, none without digests."""
    wanted = list(digests)
    if not wanted:
        return {}
    rows = PromptVersion.objects.in_workspace(workspace_id).filter(digest__in=wanted).select_related("prompt")
    return {(row.prompt.name, row.number): row for row in rows}


def newest_judges(workspace_id: int, names: Iterable[str]) -> dict[str, PromptVersion]:
    """The newest version of each judge's prompt that was not withdrawn, by name; one query."""
    rows = PromptVersion.objects.in_workspace(workspace_id).filter(prompt__name__in=list(names), yank=None)
    newest = rows.select_related("prompt").order_by("prompt", "-number").distinct("prompt")
    return {row.prompt.name: row for row in newest}


def judges_to_ask(suite: Suite, specs: Iterable[ScorerSpec]) -> dict[str, Appointed]:
    """Who would judge for each of these graded scorers now, by the scorer's name: the version that the suite pins, else the
    newest, else the prompt that comes with the kind. Three queries at most.

    Raises Conflict `judge.unknown` for a prompt that the workspace does not have.
    """
    wanted = {spec.name: spec for spec in specs}
    names = {prompt_of(spec) for spec in wanted.values()} - {""}
    newest = newest_judges(suite.workspace_id, names) if names else {}
    rows = newest | _pinned_by(suite, names)
    return {name: _appointed(spec, rows.get(prompt_of(spec))) for name, spec in wanted.items()}


def _pinned_by(suite: Suite, names: Iterable[str]) -> dict[str, PromptVersion]:
    rules = SuiteVersion.objects.filter(suite=suite, number=suite.last_number).values_list("rules", flat=True).first()
    pins = [pin for pin in json.loads(rules or "{}").get("judges", []) if pin["name"] in names]
    found = pinned_versions(suite.workspace_id, [pin["digest"] for pin in pins])
    return {pin["name"]: found[pin["name"], pin["version"]] for pin in pins if (pin["name"], pin["version"]) in found}


def _appointed(spec: ScorerSpec, row: PromptVersion | None) -> Appointed:
    kind = graded_kind(spec)
    if kind is None or kind.prompt is None:
        return Appointed(_embedding_config(spec))
    if row is not None:
        content = row.load()
    elif prompt_of(spec) == kind.prompt.name:
        content = parse_content("chat", kind.prompt.content())
    else:
        raise Conflict(
            "judge.unknown", f"{spec.name} asks {prompt_of(spec)}, a prompt that this workspace does not have."
        )
    return Appointed({**content.config, **own_model(spec)}, content, row)


def _embedding_config(spec: ScorerSpec) -> dict[str, str | None]:
    return {"model": MODEL.of(spec), "provider": PROVIDER.of(spec)}
