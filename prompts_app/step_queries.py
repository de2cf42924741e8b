"""The first steps of a workspace: from nothing to a service that fetches a prompt. They go when they are done."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.urls import NoReverseMatch, reverse

from prompts_app.models import CheckDefinition, Environment, LivePointer, Prompt
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


def first_steps(member: Member, workspace: Workspace, *, may_administer: bool) -> FirstSteps | None:
    """What is left to do; None once all is done, or put away. One query where it is, six at most.

    None of them reads every prompt: a workspace may have thousands before its first fetch.
    """
    if "steps" in member.hidden or ApiKey.objects.in_workspace(workspace.pk).exclude(last_used_at=None).exists():
        return None
    prompt = _prompt(workspace.pk)
    here = Environment.objects.in_workspace(workspace.pk)
    environments = list(here)
    live_here = Exists(LivePointer.objects.live().filter(environment=OuterRef("pk")))
    live_in = set(here.filter(live_here).values_list("name", flat=True)) if prompt else set()
    above = next((one.name for one in reversed(environments[1:]) if one.name in live_in), None)
    has_suite = CheckDefinition.objects.filter(workspace=workspace).exists()
    steps = (
        _write(workspace, is_done=prompt is not None),
        _suite(workspace, prompt, is_done=has_suite or "suite" in member.hidden),
        _promote(
            workspace, prompt, _stages(prompt, environments), is_done=above is not None, may_invite=may_administer
        ),
        _fetch(workspace, environment=above or "", may_make_key=may_administer),
    )
    return FirstSteps(steps, prompt.name if prompt else "")


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
    may_invite: bool,
) -> Step:
    links: tuple[tuple[str, str], ...] = ()
    text = "A promotion takes a version to the next stage; what stands in its way is listed there."
    if prompt is not None and stages is not None:
        lowest, target = stages
        address = reverse("promotion_new", args=[workspace.slug, prompt.name])
        label = f"Promote {prompt.name} to {target.label}"
        links = ((label, f"{address}?version={prompt.last_number}&environment={target.name}"),)
        if lowest == target:
            text = f"It is live nowhere yet: what is imported waits. Take it to {lowest.label} first, then on. {text}"
        else:
            text = f"It is live in {lowest.label}. Take it to {target.label} next. {text} Production asks for a second person."
    if may_invite:
        links = (*links, ("Invite somebody", _errand("settings_members", workspace, role="reviewer") + "#invite"))
    return Step("Promote it", text, is_done, links)


def _errand(name: str, workspace: Workspace, **query: str) -> str:
    """A page of the settings that knows the way back to these steps."""
    steps = reverse("board", args=[workspace.slug])
    return reverse(name, args=[workspace.slug], query={**query, "back": steps})


def _fetch(workspace: Workspace, *, environment: str, may_make_key: bool) -> Step:
    goes = "These steps go once the first fetch has been seen, which takes up to a minute."
    if not may_make_key:
        return Step("Fetch it from a service", f"Ask an admin for a service key. {goes}", is_done=False)
    text = f"Make a service key; the page that shows it has the command to copy. {goes}"
    links = (("Make a key", _errand("settings_keys", workspace, environment=environment) + "#new"),)
    return Step("Fetch it from a service", text, is_done=False, links=links)
