"""What the importing commands share: who imports, and what became of it."""

from django.core.management.base import CommandError, OutputWrapper

from prompts_app.actions.imports import Plan
from registry.core.models import Member


def member_named(workspace: str, email: str) -> Member:
    """The member; raises CommandError."""
    rows = Member.objects.filter(workspace__slug=workspace).of_address(email)
    member = rows.select_related("user", "workspace").first()
    if member is None:
        raise CommandError(f"{email} is no member of {workspace}.")
    return member


def tell_plan(out: OutputWrapper, plan: Plan) -> None:
    """A line a prompt, and one for each note and each version that was left out; raises CommandError where any was."""
    for step in plan.steps:
        out.write(f"{step.history.name}: {step.summary}")
        for note in step.notes:
            out.write(f"  {note}")
        for one in step.versions:
            if one.why:
                out.write(f"  version {one.number}: {one.why}")
    if not plan.is_whole:
        raise CommandError("Not everything was taken over: see above.")
