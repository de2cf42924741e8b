"""What runs say beside each other: two runs of one suite, two versions, and one run tag by tag."""

from urllib.parse import urlencode

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.runs import find_run
from evals_app.actions.suites import find_suite
from evals_app.api import compare_answers as answers
from evals_app.api.compare_shapes import show_comparison, show_point, show_tag
from evals_app.comparison_queries import Flip, compare, flips_after
from evals_app.comparison_sql import RunArm
from evals_app.models import Arm
from evals_app.suite_history import suite_history
from evals_app.tag_queries import tag_report
from evals_app.version_answers import answers_of
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import find_version
from registry.core.api.openapi import listing
from registry.core.api.views import PAGE_LIMIT, PAGE_SIZE, RegistryView
from registry.core.canonical import JSON
from registry.core.errors import Conflict, invalid_field
from registry.core.permissions import Permission

ARMS = [
    OpenApiParameter(name, str, enum=Arm.values, description="Whose answers count; the candidate's if left out.")
    for name in ("old_arm", "new_arm")
]
FLIPS = OpenApiParameter("flips", str, enum=answers.FLIPS, description="Only cases that flipped this way.")
PAGING = [OpenApiParameter("limit", int), OpenApiParameter("after", int)]


class ComparingView(RegistryView):
    """What routes that compare share."""

    def answer_comparison(self, old: RunArm, new: RunArm) -> Response:
        """The comparison with one page of its flipped cases."""
        which = self.choice("flips", answers.FLIPS)
        limit = min(self.integer("limit", PAGE_SIZE), PAGE_LIMIT)
        compared = compare(old, new)
        # `after` is the number of the last case seen, counted from 1; positions are counted from 0.
        found = flips_after(old, new, which=which, after=self.integer("after", 0) - 1, limit=limit + 1)
        following = self._following(found[limit - 1]) if len(found) > limit else None
        return self.single(show_comparison(compared, found[:limit], following))

    def _following(self, last: Flip) -> str:
        query = {**self.request.query_params.dict(), "after": last.row.position + 1}
        return self.request._request.build_absolute_uri(f"{self.request.path}?{urlencode(query)}")


class CompareView(ComparingView):
    """Two runs."""

    @extend_schema(parameters=[*ARMS, FLIPS, *PAGING], responses=answers.Comparison)
    def get(self, request: Request, pk: int, other: int) -> Response:
        """The second run against the first: what flipped, what each score says, cost and latency."""
        runs = [find_run(self.actor.workspace_id, number) for number in (pk, other)]
        self.allow(Permission.READ)
        arms = [Arm(self.choice(name, Arm.values) or Arm.CANDIDATE) for name in ("old_arm", "new_arm")]
        old, new = (RunArm(run, arm) for run, arm in zip(runs, arms, strict=True))
        return self.answer_comparison(old, new)


class CompareVersionsView(ComparingView):
    """Two versions of a prompt."""

    may_conflict = True

    @extend_schema(
        parameters=[
            OpenApiParameter("prompt", str, required=True),
            OpenApiParameter("from", int, required=True),
            OpenApiParameter("to", int, required=True),
            FLIPS,
            *PAGING,
        ],
        responses=answers.Comparison,
    )
    def get(self, request: Request, suite: str) -> Response:
        """Two versions by their newest finished runs on the suite; 409 `comparison.no_run` where one has none."""
        found = find_suite(self.actor.workspace_id, suite)
        self.allow(Permission.READ)
        name = self.text("prompt")
        numbers = [self.integer(part, 0) for part in ("from", "to")]
        if not name or not all(numbers):
            raise invalid_field("prompt", "required", "Name a `prompt` and two of its versions: `from` and `to`.")
        prompt = find_prompt(self.actor.workspace_id, name)
        sides = [answers_of(found, find_version(prompt, number)) for number in numbers]
        old, new = (side.ended for side in sides)
        if old is None or new is None:
            missing: list[JSON] = [side.version.number for side in sides if side.ended is None]
            told = " and ".join(f"v{number}" for number in missing)
            raise Conflict(
                "comparison.no_run",
                f"No run of {told} on {found.slug} has finished: start one with POST /runs.",
                missing=missing,
            )
        return self.answer_comparison(old, new)


class HistoryView(RegistryView):
    """A suite over versions."""

    @extend_schema(parameters=[OpenApiParameter("prompt", str, required=True)], responses=listing(answers.VersionScore))
    def get(self, request: Request, suite: str) -> Response:
        """Pass rates of the last twenty versions that have a finished run, by number, each by its newest."""
        found = find_suite(self.actor.workspace_id, suite)
        self.allow(Permission.READ)
        name = self.text("prompt")
        if not name:
            raise invalid_field("prompt", "required", "Name a `prompt`.")
        points = suite_history(found, find_prompt(self.actor.workspace_id, name))
        return Response({"results": [show_point(point) for point in points], "next": None})


class TagsView(RegistryView):
    """The tags of a run."""

    @extend_schema(parameters=PAGING, responses=listing(answers.TagRate))
    def get(self, request: Request, pk: int) -> Response:
        """Pass rates by tag, the greatest loss first, where nothing is compared the lowest rate."""
        run = find_run(self.actor.workspace_id, pk)
        self.allow(Permission.READ)
        limit, after = min(self.integer("limit", PAGE_SIZE), PAGE_LIMIT), self.integer("after", 0)
        report = tag_report(run, limit=limit, offset=after)
        following = None
        if after + len(report.lines) < report.count:
            query = {**request.query_params.dict(), "after": after + limit}
            following = request._request.build_absolute_uri(f"{request.path}?{urlencode(query)}")
        return Response({"results": [show_tag(line) for line in report.lines], "next": following})
