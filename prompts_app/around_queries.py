"""What is live around a promotion: what became so since it was opened, and what can follow once it is applied."""

from dataclasses import dataclass

from prompts_app.facts import live_deployment
from prompts_app.models import Deployment, DeploymentKind, Environment, Promotion


@dataclass(frozen=True)
class Since:
    """What went live since a promotion was opened, so that it has to be rebased: inside a sentence, and with what to do."""

    said: str
    message: str


def since_opened(promotion: Promotion, live: Deployment | None) -> Since | None:
    """None where what is live is still what it was opened against; one query where somebody went back."""
    if promotion.base_id == (live.pk if live else None):
        return None
    look = "rebase it and look at the new difference."
    if live is None or live.version is None:
        return Since("what was live was taken out", f"What was live when this was opened was taken out: {look}")
    number, base = live.version.number, promotion.base.version if promotion.base else None
    if live.kind != DeploymentKind.ROLLBACK:
        return Since(f"v{number} went live since it was opened", f"v{number} went live since this was opened: {look}")
    if base is None or base.digest != live.version.digest:
        return Since(
            f"somebody went back to v{number}", f"Since this was opened somebody went back to v{number}: {look}"
        )
    replaced = Deployment.objects.filter(prompt=promotion.prompt, pk=live.previous_id or 0)
    before = replaced.values_list("version__number", flat=True).first()
    between = f"v{before} went live since" if before else "what is live was taken out since"
    then = "was gone back from" if before else "brought back"
    told = f"{between} this was opened and {then}: v{number} is live again."
    return Since(
        f"{between} it was opened and {then}", f"{told} Rebase it, so that whoever votes or promotes knows of that."
    )


@dataclass(frozen=True)
class Onward:
    """What can follow once a promotion is applied: the next stage, with the promotion that is open to it or None where
    none is and the version is not live there; and whether one can still go back from it."""

    stage: Environment | None
    promotion: Promotion | None
    is_live: bool


def onward(promotion: Promotion, live: Deployment | None) -> Onward:
    """Where an applied promotion's version goes next; three queries."""
    is_live = live is not None and live.pk == promotion.deployment_id
    stages = Environment.objects.in_workspace(promotion.environment.workspace_id)
    stage = next((one for one in stages if one.rank > promotion.environment.rank), None)
    if stage is None or not is_live:
        return Onward(None, None, is_live)
    above = live_deployment(promotion.prompt, stage)
    if above is not None and above.version_id == promotion.version_id:
        return Onward(None, None, is_live)
    open_to = Promotion.objects.pending().filter(prompt=promotion.prompt, environment=stage, version=promotion.version)
    return Onward(stage, open_to.order_by("-pk").first(), is_live)
