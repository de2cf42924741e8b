"""Judges as rows: which prompt versions a suite asks, with which models, and which newer ones there are."""

import json
from collections.abc import Iterable, Mapping

from evals_app.judge_seats import Seat, graded_kind, key_of, prompt_of
from evals_app.model_settings import Offer, effective
from evals_app.models import SuiteVersion
from evals_app.scorers import ScorerSpec
from evals_app.scorers.graded.judging import own_model
from evals_app.scorers.kinds.embedding_similarity import MODEL, PROVIDER
from evals_app.suite_content import SuiteContent
from prompts_app.models import PromptVersion
from registry.core.canonical import JSON


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


def _embedding_config(spec: ScorerSpec) -> dict[str, str | None]:
    return {"model": MODEL.of(spec), "provider": PROVIDER.of(spec)}
