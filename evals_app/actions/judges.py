"""Judges: ordinary prompts of the folder `judges`, made where they are first needed, pinned by each suite version."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from evals_app.judge_queries import newest_judges
from evals_app.judge_seats import JudgePin, graded_kind, prompt_of
from evals_app.models import SuiteVersion
from evals_app.scorers import SCORERS, ScorerSpec
from evals_app.scorers.graded.judging import Graded
from evals_app.scorers.graded.prompts import JudgePrompt, strict_properties
from evals_app.suite_content import SuiteContent
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.models import Prompt, PromptVersion
from registry.core.actor import Actor
from registry.core.errors import Conflict, FieldError
from registry.core.fields import refuse_mistakes

TAGS = ("judge",)
FIRST = "As it comes with Greenroom"


def add_judges(actor: Actor) -> tuple[Prompt, ...]:
    """Make every judge that the workspace does not have yet; those that it has stay as they are."""
    return _make(actor, [kind.prompt for kind in SCORERS.values() if isinstance(kind, Graded) and kind.prompt])


def ensure_judges(actor: Actor, content: SuiteContent) -> tuple[Prompt, ...]:
    """Make the judges that come with the kinds a suite uses, as far as they are not there; asks the sandbox."""
    kinds = {prompt_of(spec): graded_kind(spec) for _, spec in content.specs()}
    return _make(
        actor, [kind.prompt for key, kind in kinds.items() if kind and kind.prompt and kind.prompt.name == key]
    )


def pin_judges(content: SuiteContent, workspace_id: int, newest: SuiteVersion | None) -> SuiteContent:
    """The content with one version for each judge that it asks: the one it pins itself, else as before, else the newest.

    Raises Invalid `suite.invalid` for a judge that there is not, or that cannot judge for the kind that names it.
    """
    wanted = {prompt_of(spec) for _, spec in content.specs() if _asks_prompt(spec)}
    if not wanted:
        return replace(content, judges=())
    given = {pin.name: pin for pin in content.judges}
    before = (
        {str(pin["name"]): int(pin["version"]) for pin in json.loads(newest.rules).get("judges", [])} if newest else {}
    )
    numbers = {name: row.number for name, row in newest_judges(workspace_id, wanted).items()} | before
    numbers |= {name: pin.version for name, pin in given.items()}
    found = _versions(workspace_id, {name: numbers[name] for name in wanted if name in numbers})
    errors = [error for name in sorted(given.keys() & wanted) if (error := _mispinned(given[name], found.get(name)))]
    for path, spec in content.specs():
        if _asks_prompt(spec) and (why := _unfit(spec, found.get(prompt_of(spec)))):
            errors.append(FieldError(f"{path}.judge", "judge", why))
    refuse_mistakes("suite.invalid", "The suite was not saved: correct the fields named.", errors)
    return replace(
        content, judges=tuple(JudgePin(name, found[name].number, found[name].digest) for name in sorted(wanted))
    )


def _make(actor: Actor, judges: Iterable[JudgePrompt]) -> tuple[Prompt, ...]:
    wanted = {judge.name: judge for judge in judges}
    there = Prompt.objects.in_workspace(actor.workspace_id).filter(name__in=list(wanted), last_number__gt=0)
    made = []
    for name in sorted(wanted.keys() - set(there.values_list("name", flat=True))):
        prompt = _prompt(actor, wanted[name])
        if prompt.kind == "chat" and not prompt.last_number:
            create_version(actor, prompt, wanted[name].content(), message=FIRST)
            made.append(prompt)
    return tuple(made)


def _prompt(actor: Actor, judge: JudgePrompt) -> Prompt:
    try:
        return create_prompt(actor, judge.name, kind="chat", description=judge.description, tags=TAGS)
    except Conflict:
        return Prompt.objects.in_workspace(actor.workspace_id).get(name=judge.name)


def _asks_prompt(spec: ScorerSpec) -> bool:
    kind = graded_kind(spec)
    return kind is not None and kind.prompt is not None


def _versions(workspace_id: int, numbers: Mapping[str, int]) -> dict[str, PromptVersion]:
    rows = PromptVersion.objects.in_workspace(workspace_id).filter(
        prompt__name__in=list(numbers), number__in=list(numbers.values())
    )
    found = rows.select_related("prompt")
    return {row.prompt.name: row for row in found if numbers[row.prompt.name] == row.number}


def _mispinned(pin: JudgePin, version: PromptVersion | None) -> FieldError | None:
    """What is wrong with a version that the content pins itself."""
    if version is None:
        return FieldError("judges", "unknown", f"names version {pin.version} of {pin.name}, which there is not")
    if pin.digest and pin.digest != version.digest:
        return FieldError("judges", "digest", f"names another digest than version {pin.version} of {pin.name} has")
    return None


def _unfit(spec: ScorerSpec, version: PromptVersion | None) -> str:
    """Why a prompt cannot judge for a spec; empty where it can."""
    kind = graded_kind(spec)
    if kind is None or kind.prompt is None:
        return ""
    if version is None:
        return f"is a prompt that this workspace does not have: {prompt_of(spec)}"
    content = version.load()
    given = kind.prompt.variables
    required = (content.variables or {}).get("required")
    lacking = [str(name) for name in required if name not in given] if isinstance(required, list) else []
    if lacking:
        return f"needs the variable {lacking[0]}; a judge of the kind {kind.kind} is given {', '.join(given)}"
    properties = strict_properties(content.response_format)
    missing = [name for name in ("reason", *kind.prompt.members) if name not in properties]
    if missing:
        return f"must answer in a strict JSON Schema that has {missing[0]}: give its version that response_format"
    return ""
