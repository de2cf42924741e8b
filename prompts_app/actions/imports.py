"""Importing prompts: first a plan, which changes nothing and says what would; then its steps, one prompt a transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction

from prompts_app.actions.histories import Prepared, keep_version, prepare_written
from prompts_app.actions.labels import LABEL, LATEST, set_label
from prompts_app.actions.prompts import change_prompt, checked_tags, create_prompt, find_prompt, not_in_future
from prompts_app.actions.versions import find_version, yank_version
from prompts_app.content import IncludePin, check_prompt_name
from prompts_app.includes import ResolvedInclude
from prompts_app.models import Environment, PromptVersion
from prompts_app.transfer.histories import (
    Known,
    PromptHistory,
    Standing,
    WrittenVersion,
    in_writing_order,
    place_of,
)
from prompts_app.transfer_queries import standings
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, Invalid, RegistryError
from registry.core.permissions import Permission, require

NEW, KNOWN, CONFLICT, REFUSED = "new", "known", "conflict", "refused"


@dataclass(frozen=True)
class VersionStep:
    """What becomes of one version; `number` is the one it has here, `why` speaks where it is not taken."""

    number: int
    outcome: str
    digest: str = ""
    written_number: int = 0
    why: str = ""
    where: str = ""
    prepared: Prepared | None = None

    def to_json(self) -> dict[str, JSON]:
        """As the API tells of it."""
        told: dict[str, JSON] = {"version": self.number, "outcome": self.outcome, "digest": self.digest or None}
        return {**told, "why": self.why, "path": self.where}


@dataclass
class PromptStep:
    """What becomes of one prompt."""

    history: PromptHistory
    is_new: bool
    notes: list[str] = field(default_factory=list)
    versions: list[VersionStep] = field(default_factory=list)
    refused: str = ""
    labels: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        """How many of its versions."""
        return sum(one.outcome == outcome for one in self.versions)

    @property
    def changes(self) -> bool:
        """Whether importing it would change anything."""
        return not self.refused and (self.is_new or self.count(NEW) > 0 or bool(self.labels))

    @property
    def summary(self) -> str:
        """In a few words."""
        if self.refused:
            return f"not taken over. {self.refused}"
        counts = [(self.count(NEW), "new"), (self.count(KNOWN), "here already")]
        counts += [(self.count(CONFLICT), "in conflict"), (self.count(REFUSED), "refused")]
        told = ", ".join(f"{number} {what}" for number, what in counts if number)
        return f"{'new prompt; ' if self.is_new else ''}versions: {told or 'none'}"

    def to_json(self) -> dict[str, JSON]:
        """As the API tells of it; versions that are here already are only counted."""
        outcome = REFUSED if self.refused else NEW if self.is_new else KNOWN
        told: list[JSON] = [one.to_json() for one in self.versions if one.outcome != KNOWN]
        return {
            "name": self.history.name,
            "kind": self.history.kind,
            "outcome": outcome,
            "why": self.refused,
            "notes": list(self.notes),
            "labels": dict(self.labels),
            "known_versions": self.count(KNOWN),
            "versions": told,
        }


@dataclass(frozen=True)
class Plan:
    """What an import would change, or has changed."""

    steps: tuple[PromptStep, ...]

    def count(self, outcome: str) -> int:
        """How many versions, over all prompts."""
        return sum(one.count(outcome) for one in self.steps)

    @property
    def new_prompts(self) -> int:
        """How many prompts are made."""
        return sum(one.is_new and not one.refused for one in self.steps)

    @property
    def left_out(self) -> int:
        """How many prompts are not taken over at all."""
        return sum(bool(one.refused) for one in self.steps)

    @property
    def changes(self) -> bool:
        """Whether anything changes."""
        return any(one.changes for one in self.steps)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        left_out = self.count(CONFLICT) + self.count(REFUSED)
        return not left_out and not self.left_out

    def to_json(self, *, preview: bool) -> dict[str, JSON]:
        """As the API tells of it."""
        return {
            "preview": preview,
            "new_prompts": self.new_prompts,
            "new_versions": self.count(NEW),
            "known_versions": self.count(KNOWN),
            "conflicts": self.count(CONFLICT),
            "refused": self.count(REFUSED) + self.left_out,
            "prompts": [one.to_json() for one in self.steps],
        }


def plan_import(actor: Actor, histories: Sequence[PromptHistory]) -> Plan:
    """What importing these would change; changes nothing. Each template is asked of the sandbox, outside of any lock."""
    require(actor, Permission.WRITE)
    here = standings(actor.workspace_id, [one.name for one in histories])
    planner = _Planner(actor.workspace_id, here)
    steps = {one.name: planner.begin(one) for one in histories}
    for history, written in in_writing_order(histories):
        step = steps[history.name]
        if not step.refused:
            step.versions.append(planner.place(step, written))
    for step in steps.values():
        planner.label(step)
    return Plan(tuple(steps.values()))


def import_histories(actor: Actor, histories: Sequence[PromptHistory]) -> Plan:
    """Import what is not here yet, through the ordinary actions: each prompt and version leaves its own audit row.

    Nothing that is here is overwritten, and nothing goes live. One transaction a prompt: a conflict in one, or somebody
    who was faster, leaves the others alone. Returns what became of each.
    """
    plan = plan_import(actor, histories)
    for step in plan.steps:
        if step.changes:
            _carry_out(actor, step)
    return plan


def _carry_out(actor: Actor, step: PromptStep) -> None:
    try:
        with transaction.atomic():
            _write(actor, step)
    except RegistryError as refused:
        step.refused = refused.detail
        step.versions = [replace(one, outcome=REFUSED, why=refused.detail) for one in step.versions]


def _write(actor: Actor, step: PromptStep) -> None:
    history = step.history
    if step.is_new:
        prompt = create_prompt(
            actor,
            history.name,
            kind=history.kind,
            description=history.description,
            tags=history.tags,
            written_at=not_in_future(history.created_at),
        )
    else:
        prompt = find_prompt(actor.workspace_id, history.name)
    for one in step.versions:
        if one.outcome == NEW and one.prepared is not None:
            keep_version(actor, prompt, one.prepared)
            if withdrawn := one.prepared.written.yank:
                version = find_version(prompt, one.number)
                yank_version(actor, version, reason=withdrawn.reason, written_at=not_in_future(withdrawn.at))
    for label, number in step.labels.items():
        set_label(actor, find_version(prompt, number), label)
    if step.is_new and history.archived_at is not None:
        change_prompt(actor, prompt, archived=True, written_at=not_in_future(history.archived_at))


class _Planner:
    """One plan under way: what is here, and what was planned so far, so that includes find both."""

    def __init__(self, workspace_id: int, here: Mapping[str, Standing]) -> None:
        self.workspace_id = workspace_id
        self.here = here
        rows = Environment.objects.filter(workspace_id=workspace_id)
        self.environments = frozenset(rows.values_list("name", flat=True))
        self.planned: dict[tuple[str, int], ResolvedInclude] = {}

    def begin(self, history: PromptHistory) -> PromptStep:
        """The step for one prompt, its versions still to be placed."""
        here = self.here.get(history.name)
        step = PromptStep(history, is_new=here is None, notes=list(history.notes))
        if here is None:
            try:
                check_prompt_name(history.name)
                checked_tags(history.tags)
            except Invalid as refused:
                step.refused = refused.detail
        elif here.kind != history.kind:
            step.refused = f"It is a {here.kind} prompt here, a {history.kind} prompt there."
        else:
            step.notes += _differences(history, here)
        return step

    def place(self, step: PromptStep, written: WrittenVersion) -> VersionStep:
        """What becomes of one version."""
        history, here = step.history, self.here.get(step.history.name)
        told = VersionStep(written.number, CONFLICT, written.digest, written.number, where=written.where)
        earlier = next((one for one in step.versions if one.outcome in (CONFLICT, REFUSED)), None)
        if earlier is not None:
            return replace(told, why=f"Version {earlier.number} before it is not taken over.")
        claimed = {one.number for one in step.versions if one.outcome == KNOWN}
        if written.digest:
            place, number = place_of(written.digest, written.number, here, claimed=claimed)
            if place == "known":
                return replace(told, number=number, outcome=KNOWN, why=self._withdrawn(step, written, number))
        try:
            prepared = prepare_written(history, written, self._find)
        except (Invalid, Conflict) as refused:
            details = "; ".join(f"{one.field}: {one.message}" for one in refused.errors if one.field)
            return replace(told, outcome=REFUSED, why=" ".join(filter(None, (refused.detail, details))))
        place, number = place_of(prepared.digest, written.number, here, claimed=claimed)
        if place == "known":
            return replace(told, number=number, outcome=KNOWN, digest=prepared.digest)
        if place == "taken":
            return replace(told, why=f"Version {number} says something else here.", digest=prepared.digest)
        if here is not None and here.is_archived:
            return replace(told, why="The prompt is archived here: unarchive it first.", digest=prepared.digest)
        self._remember(history, prepared)
        return replace(told, outcome=NEW, digest=prepared.digest, prepared=prepared)

    def label(self, step: PromptStep) -> None:
        """Which free labels are set: those that are not here yet, on versions that are or will be."""
        here = self.here.get(step.history.name)
        places = {one.written_number: one for one in step.versions if one.outcome in (NEW, KNOWN)}
        for label, wanted in step.history.labels.items():
            there = f"Label {label} is on version {wanted} there"
            now = here.labels.get(label) if here else None
            found = places.get(wanted)
            if label in self.environments:
                step.notes.append(f"{there}; here {label} is an environment, to which a promotion leads.")
            elif not LABEL.fullmatch(label) or label == LATEST:
                step.notes.append(f"{there}; it cannot be a label here.")
            elif found is None or step.refused:
                step.notes.append(f"{there}; that version is not taken over.")
            elif now is None and not (found.prepared and found.prepared.written.yank):
                step.labels[label] = found.number
            elif now not in (None, found.number):
                step.notes.append(f"{there}; here it is on version {now}, and stays.")

    def _withdrawn(self, step: PromptStep, written: WrittenVersion, number: int) -> str:
        here = self.here[step.history.name]
        known = next((one for one in here.versions if one.number == number), Known(number, ""))
        if written.yank is None or known.is_yanked:
            return ""
        step.notes.append(f"Version {number} was withdrawn there, and is not here: withdraw it if it should be.")
        return ""

    def _remember(self, history: PromptHistory, prepared: Prepared) -> None:
        number, text = prepared.written.number, prepared.source.text or ""
        self.planned[history.name, number] = ResolvedInclude(
            history.name, number, prepared.digest, text, history.kind, prepared.content.includes
        )

    def _find(self, pin: IncludePin) -> ResolvedInclude:
        found = self.planned.get((pin.name, pin.version)) or self._stored(pin)
        if found is None:
            raise Invalid("include.not_found", f"It includes version {pin.version} of {pin.name}, which is not here.")
        if pin.digest and found.digest != pin.digest:
            detail = f"It includes version {pin.version} of {pin.name}, which says something else here."
            raise Invalid("include.digest", detail)
        return found

    def _stored(self, pin: IncludePin) -> ResolvedInclude | None:
        rows = PromptVersion.objects.in_workspace(self.workspace_id).select_related("prompt")
        row = rows.filter(prompt__name=pin.name, number=pin.version).first()
        if row is None:
            return None
        text = str(row.editable().get("text") or "")
        return ResolvedInclude(pin.name, row.number, row.digest, text, row.prompt.kind, row.load().includes)


def _differences(history: PromptHistory, here: Standing) -> Iterable[str]:
    if history.description and history.description != here.description:
        yield "Its description is another one here; it stays."
    if history.tags and set(history.tags) != set(here.tags):
        yield "Its tags are others here; they stay."
    if (history.archived_at is not None) != here.is_archived:
        yield "It is archived here, not there." if here.is_archived else "It is archived there, not here."


def plan_prompty(actor: Actor, history: PromptHistory) -> Plan:
    """What importing one prompt without a past would change: the next version of its prompt, or the first of a new one."""
    require(actor, Permission.WRITE)
    return plan_import(actor, [_as_next(actor, history)])


def import_prompty(actor: Actor, history: PromptHistory) -> Plan:
    """Import it; content that is there already is recognised, whichever version it is."""
    return import_histories(actor, [_as_next(actor, history)])


def _as_next(actor: Actor, history: PromptHistory) -> PromptHistory:
    """The history with the number that its one version would have here, and every name of its text declared."""
    here = standings(actor.workspace_id, [history.name]).get(history.name)
    last = here.last_number if here else 0
    written = replace(history.versions[0], number=last + 1, based_on=last or None)
    history = replace(history, versions=(written,))
    try:
        prepare_written(history, written, _no_includes)
    except Invalid as refused:
        if refused.code != "variables.undeclared":
            return history
        return _declared(history, [one.field.rpartition(".")[2] for one in refused.errors])
    return history


def _declared(history: PromptHistory, names: Sequence[str]) -> PromptHistory:
    written = history.versions[0]
    schema = written.content["variables"]
    assert isinstance(schema, dict)
    properties, required = schema["properties"], schema["required"]
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    wider: JSON = {
        **schema,
        "properties": {**properties, **{name: {} for name in names}},
        "required": [*required, *names],
    }
    note = f"Used and not among the inputs, so declared as required: {', '.join(names)}."
    changed = replace(written, content={**written.content, "variables": wider})
    return replace(history, versions=(changed,), notes=(*history.notes, note))


def _no_includes(pin: IncludePin) -> ResolvedInclude:
    raise Invalid("include.not_found", f"It includes {pin.name}: a file of this kind has no includes.")
