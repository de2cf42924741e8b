"""The first steps of a workspace: from nothing to a service that fetches a prompt, and to the last stage. They go when they
are done."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef
from django.urls import NoReverseMatch, reverse

from prompts_app.facts import current_policy
from prompts_app.models import CheckDefinition, Environment, LivePointer, Promotion, PromotionState, Prompt
from registry.core.models import ApiKey, Member, Workspace


@dataclass(frozen=True)
class Step:
    """One step: `links` are where it is done, as label and address; `skip` names the hint that puts it away."""

    title: str
    text: str
    is_done: bool
    links: tuple[tuple[str, str], ...] = ()
    skip: str = ""
    skip_label: str = ""


@dataclass(frozen=True)
class FirstSteps:
    """The steps in order, and the first that is not done; `prompt` is the name of the one that they are about, if any."""

    steps: tuple[Step, ...]
    prompt: str = ""

    @property
    def now(self) -> Step:
        """What comes next."""
        return next(step for step in self.steps if not step.is_done)

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(step.is_done for step in self.steps)


def first_steps(member: Member, workspace: Workspace, *, may_administer: bool, back: str) -> FirstSteps | None:
    """What is left to do; None once all is done, or put away. One query where it is, eight at most. Settings that are
    visited for a step lead to `back` again.

    None of them reads every prompt: a workspace may have thousands before its first fetch.
    """
    if "steps" in member.hidden:
        return None
    has_fetched, has_reached = _past(workspace)
    if has_fetched and has_reached:
        return None
    prompt = _prompt(workspace.pk)
    here = Environment.objects.in_workspace(workspace.pk)
    environments = list(here)
    live_here = Exists(LivePointer.objects.live().filter(environment=OuterRef("pk")))
    live_in = set(here.filter(live_here).values_list("name", flat=True)) if prompt else set()
    above = next((one.name for one in reversed(environments[1:]) if one.name in live_in), None)
    has_suite = CheckDefinition.objects.filter(workspace=workspace).exists()
    has_left = above is not None or has_reached
    invite = (_invite(workspace, back),) if may_administer else ()
    steps = [
        _write(workspace, is_done=prompt is not None),
        _suite(workspace, prompt, is_done=has_suite or "suite" in member.hidden),
        _promote(workspace, prompt, _stages(prompt, environments), is_done=has_left, invite=invite),
    ]
    if may_administer or has_fetched:  # who makes no keys is told of no step that is not theirs
        steps.append(_fetch(workspace, environment=above or "", is_done=has_fetched, back=back))
    if len(environments) > 2:  # else the promotion above has reached the last stage
        is_there = has_reached or environments[-1].name in live_in
        is_next = not is_there and all(step.is_done for step in steps)
        if prompt is not None and is_next:
            steps.append(_reach(workspace, prompt, environments, invite=invite))
        else:
            steps.append(Step(_reaching(environments[-1]), "", is_there))
    return FirstSteps(tuple(steps), prompt.name if prompt else "") if any(not one.is_done for one in steps) else None


def _past(workspace: Workspace) -> tuple[bool, bool]:
    """Whether a key was ever used, and whether a promotion into the last stage was ever applied; one query."""
    used = ApiKey.objects.in_workspace(workspace.pk).exclude(last_used_at=None)
    last = Environment.objects.in_workspace(workspace.pk).order_by("-rank", "-pk").values("pk")[:1]
    applied = Promotion.objects.filter(environment__in=last, state=PromotionState.APPLIED)
    found = Workspace.objects.filter(pk=workspace.pk).values_list(Exists(used), Exists(applied))
    has_fetched, has_reached = found.get()
    return has_fetched, has_reached


def _prompt(workspace_id: int) -> Prompt | None:
    """The newest prompt that is live somewhere, else the newest that has a version."""
    written = Prompt.objects.in_workspace(workspace_id).archived(False).filter(last_number__gt=0).order_by("-pk")
    written = written.only("name", "last_number")
    is_live = Exists(LivePointer.objects.live().filter(prompt=OuterRef("pk")))
    return written.filter(is_live).first() or written.first()


def _write(workspace: Workspace, *, is_done: bool) -> Step:
    links = (("Write one", reverse("prompt_new", args=[workspace.slug])), ("Import", _import(workspace)))
    return Step(
        "Write or import a prompt",
        "Give it a name and its first version. Or bring what you have: a table (CSV), Prompty, an export of Greenroom, or a Langfuse server.",
        is_done,
        links,
    )


def _import(workspace: Workspace) -> str:
    return reverse("prompt_import", args=[workspace.slug])


def _suite(workspace: Workspace, prompt: Prompt | None, *, is_done: bool) -> Step:
    try:
        address = reverse("suite_new", args=[workspace.slug], query={"prompt": prompt.name} if prompt else None)
    except NoReverseMatch:
        return Step("Evaluate it", "Evaluation is switched off here.", is_done=True)
    links = (("New suite", address),)
    text = "A suite replays every new version on your cases before it goes live. It can wait; where the rules ask for a suite that passed, nothing goes live without one."
    return Step("Say what good answers are", text, is_done, links, skip="suite", skip_label="Skip this step")


def _stages(prompt: Prompt | None, environments: list[Environment]) -> tuple[Environment, Environment] | None:
    """Where the prompt is live, or will be first, and where it goes next; the same twice while it is live nowhere."""
    if prompt is None or len(environments) < 2:
        return None
    is_live = LivePointer.objects.live().filter(prompt=prompt, environment=environments[0]).exists()
    return environments[0], environments[1 if is_live else 0]


def _promote(
    workspace: Workspace,
    prompt: Prompt | None,
    stages: tuple[Environment, Environment] | None,
    *,
    is_done: bool,
    invite: tuple[tuple[str, str], ...],
) -> Step:
    links: tuple[tuple[str, str], ...] = ()
    text = "A promotion takes a version to the next stage; what stands in its way is listed there."
    if prompt is not None and stages is not None:
        lowest, target = stages
        links = (_promotion_of(workspace, prompt, target),)
        if lowest == target:
            text = f"It is live nowhere yet: what is imported waits. Take it to {lowest.label} first, then on. {text}"
        else:
            text = f"It is live in {lowest.label}. Take it to {target.label} next. {text}"
    return Step("Promote it", text, is_done, (*links, *invite))


def _reaching(last: Environment) -> str:
    return f"Promote to {last.label}"


def _reach(
    workspace: Workspace, prompt: Prompt, environments: list[Environment], *, invite: tuple[tuple[str, str], ...]
) -> Step:
    """The last stage: the promotion that is open to it, or one to open of what is live below; three queries at most."""
    *_, below, last = environments
    waiting = Promotion.objects.pending().filter(environment=last).order_by("-pk").values_list("pk", flat=True).first()
    links: tuple[tuple[str, str], ...]
    if waiting is not None:
        links = ((f"See promotion {waiting}", reverse("promotion", args=[workspace.slug, waiting])),)
        text = f"Promotion {waiting} says what it waits for."
    else:
        live = LivePointer.objects.live().filter(prompt=prompt, environment=below)
        number = live.values_list("deployment__version__number", flat=True).first()
        links = (_promotion_of(workspace, prompt, last, number),)
        text = f"Open a promotion to {last.label}."
    approvals = current_policy(last).load().approvals
    if approvals:
        text = f"{text} {'Somebody else approves' if approvals == 1 else f'{approvals} others approve'} it."
        links = (*links, *invite)
    return Step(_reaching(last), f"{text} These steps go once it is live there.", is_done=False, links=links)


def _promotion_of(
    workspace: Workspace, prompt: Prompt, target: Environment, number: int | None = None
) -> tuple[str, str]:
    address = reverse("promotion_new", args=[workspace.slug, prompt.name])
    query = urlencode({"version": number or prompt.last_number, "environment": target.name})
    return f"Promote {prompt.name} to {target.label}", f"{address}?{query}"


def _invite(workspace: Workspace, back: str) -> tuple[str, str]:
    address = reverse("settings_members", args=[workspace.slug], query={"role": "reviewer", "back": back})
    return "Invite somebody", f"{address}#invite"


def _fetch(workspace: Workspace, *, environment: str, is_done: bool, back: str) -> Step:
    text = (
        "Make a service key; the page that shows it has the command to copy. The first fetch is seen within a minute."
    )
    address = reverse("settings_keys", args=[workspace.slug], query={"environment": environment, "back": back})
    return Step("Fetch it from a service", text, is_done, links=(("Make a key", f"{address}#new"),))
