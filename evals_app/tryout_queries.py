"""What the editor and the page that tries a prompt offer: models, cases of the suites asked of it, suites that a save starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from evals_app.models import Case, RunOn, Suite, SuiteAttachment, SuiteVersion, Tryout
from evals_app.queries import newest_suite_version, offers
from evals_app.usage_queries import UsageLine
from prompts_app.evaluation import SUITE, Evaluation, ModelOffer, OptionalSuites, StartingSuite
from prompts_app.models import Prompt
from registry.core.clock import database_now
from registry.core.errors import Conflict

CASES_OFFERED = 300
OPTIONAL_NAMED = 20  # of the suites attached to a prompt that are not required: more than anybody reads


@dataclass(frozen=True)
class ModelChoice:
    """A model as a choice: `value` is `provider/model`."""

    value: str
    label: str


def model_choices(workspace_id: int) -> list[ModelChoice]:
    """Every model of every provider, the default provider's first; one query."""
    known = sorted(offers(workspace_id), key=lambda offer: not offer.is_default)
    several = len(known) > 1
    return [
        ModelChoice(f"{offer.name}/{model}", f"{offer.name} · {model}" if several else model)
        for offer in known
        for model in offer.models
    ]


def case_names(prompt: Prompt) -> list[str]:
    """Cases as `suite/key`, of the suites attached to the prompt; the first 300. Three queries."""
    attached = SuiteAttachment.objects.filter(prompt=prompt).values("suite")
    newer = SuiteVersion.objects.filter(suite=OuterRef("suite"), number__gt=OuterRef("number"))
    versions = SuiteVersion.objects.filter(suite__in=attached).exclude(Exists(newer))
    rows = Case.objects.filter(suite_version__in=versions.values("pk")).order_by("suite_version", "position")
    return [f"{slug}/{key}" for slug, key in rows.values_list("suite_version__suite__slug", "key")[:CASES_OFFERED]]


def find_case(workspace_id: int, name: str) -> Case | None:
    """The case that `suite/key` names in the suite's newest version; None where there is none."""
    slug, _, key = name.replace("\0", "").partition("/")
    suite = Suite.objects.in_workspace(workspace_id).filter(slug=slug).first()
    version = newest_suite_version(suite.pk) if suite else None
    return Case.objects.filter(suite_version=version, key=key).first() if version else None


def suites_to_fill(prompt: Prompt) -> Sequence[Suite]:
    """Every suite of the workspace, those asked of this prompt first; one query."""
    attached = SuiteAttachment.objects.filter(prompt=prompt, suite=OuterRef("pk"))
    rows = Suite.objects.in_workspace(prompt.workspace_id).annotate(is_attached=Exists(attached))
    return list(rows.order_by("-is_attached", "title"))


def tried_in(workspace_id: int, month: date) -> UsageLine:
    """What trying prompts by hand has used in a month by UTC; one query."""
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    end = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
    rows = Tryout.objects.filter(workspace_id=workspace_id, created_at__gte=start, created_at__lt=end)
    found = rows.aggregate(
        answers=Count("pk", filter=Q(is_settled=True, error="")),
        unpriced=Count("pk", filter=Q(is_settled=True, error="", cost=None)),
        input_tokens=Coalesce(Sum("input_tokens"), 0),
        output_tokens=Coalesce(Sum("output_tokens"), 0),
        cost=Sum("cost"),
    )
    return UsageLine("tried by hand", **found)


def refuse_too_dear(workspace_id: int, most: Decimal) -> None:
    """Raises Conflict `try.budget` where so much is not left of what trying may cost in a day by UTC; two queries.

    What is held and not settled counts as spent: it may have been sent.
    """
    limit = Decimal(str(settings.TRY_DAILY_BUDGET))
    midnight = datetime.combine(database_now().astimezone(UTC).date(), time.min, UTC)
    today = Tryout.objects.filter(workspace_id=workspace_id, created_at__gte=midnight)
    spent = today.aggregate(sum=Sum("cost"))["sum"] or Decimal(0)
    if most and spent + most > limit:
        detail = (
            f"This may cost ${most.quantize(Decimal('0.0001')):f}, and ${spent.quantize(Decimal('0.01')):f} of the"
            f" ${limit.normalize():f} that this workspace may spend on trying today (UTC) are used."
        )
        raise Conflict("try.budget", detail)


def for_the_editor() -> Evaluation:
    """What the prompts app asks of this one."""
    return Evaluation(offers=_model_offers, starts=_starting, titles=_titles, optional=_optional)


def _optional(workspace_id: int, prompt_id: int) -> OptionalSuites:
    attached = SuiteAttachment.objects.filter(prompt=prompt_id, suite=OuterRef("pk"), is_required=False)
    rows = Suite.objects.in_workspace(workspace_id).annotate(is_optional=Exists(attached))
    first = list(rows.order_by("-is_optional", "title").values_list("title", "is_optional")[:OPTIONAL_NAMED])
    return OptionalSuites(tuple(title for title, is_optional in first if is_optional), is_any=bool(first))


def _titles(workspace_id: int, names: Sequence[str]) -> dict[str, str]:
    slugs = [name.removeprefix(SUITE) for name in names]
    rows = Suite.objects.in_workspace(workspace_id).filter(slug__in=slugs)
    return {f"{SUITE}{slug}": title for slug, title in rows.values_list("slug", "title")}


def _model_offers(workspace_id: int) -> list[ModelOffer]:
    return [ModelOffer(offer.name, offer.models, offer.is_default) for offer in offers(workspace_id)]


def _starting(prompt_id: int) -> list[StartingSuite]:
    newest = SuiteVersion.objects.filter(suite=OuterRef("suite"), number=OuterRef("suite__last_number"))
    attached = SuiteAttachment.objects.filter(prompt=prompt_id, run_on=RunOn.NEW_VERSION, suite__last_number__gt=0)
    rows = attached.annotate(cases=Subquery(newest.values("case_count"))).order_by("suite__title")
    return [StartingSuite(*row) for row in rows.values_list("suite__title", "suite__slug", "cases", "is_required")]
