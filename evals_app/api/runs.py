"""`/runs`: started, read, cancelled, resumed, their errors asked again."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.labels import find_result, remove_label, set_label
from evals_app.actions.runs import cancel_run, find_run, resume_run, retry_errors, start_run
from evals_app.actions.suites import find_suite
from evals_app.api import answers, bodies
from evals_app.api.shapes import show_label, show_listed_run, show_result, show_run
from evals_app.budgets import parse_budget
from evals_app.models import Run, RunState, Verdict
from evals_app.run_queries import progress_of, results_of, runs_of, sheet
from prompts_app.actions.environments import find_environment
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import find_version
from prompts_app.facts import live_deployment
from prompts_app.models import Prompt, PromptVersion
from registry.core.api.bodies import Nothing
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.permissions import Permission


class RunBase(RegistryView):
    """What all routes below `/runs` share."""

    def find(self, pk: int) -> Run:
        """The run of the address; raises NotFound."""
        return find_run(self.actor.workspace_id, pk)

    def answer(self, run: Run, *, status: int = 200) -> Response:
        """The run as it is now."""
        return self.single(show_run(sheet(self.find(run.pk))), status=status)


class RunsView(RunBase):
    """The runs of the workspace."""

    @extend_schema(
        parameters=[
            OpenApiParameter("state", str, enum=RunState.values),
            OpenApiParameter("verdict", str, enum=Verdict.values),
            OpenApiParameter("prompt", str),
            OpenApiParameter("suite", str),
        ],
        responses=listing(answers.RunSummary),
    )
    def get(self, request: Request) -> Response:
        """Runs, the newest first."""
        self.allow(Permission.READ)
        wanted = {
            "state": self.choice("state", RunState.values),
            "verdict": self.choice("verdict", Verdict.values),
            "prompt__name": self.text("prompt"),
            "suite_version__suite__slug": self.text("suite"),
        }
        rows = runs_of(self.actor.workspace_id).filter(**{name: value for name, value in wanted.items() if value})
        found, following = self.slice(rows)
        progress = progress_of(found)
        results: list[JSON] = [show_listed_run(run, progress[run.pk]) for run in found]
        return Response({"results": results, "next": following})

    @extend_schema(request=bodies.NewRun, responses={202: answers.Run})
    def post(self, request: Request) -> Response:
        """Replay a suite on a version. A run that is asking, or has freshly answered, the same is given back instead.

        One that was cancelled, or ended in error, with some of its answers goes on.
        """
        self.allow(Permission.RUN)
        given = self.body(bodies.NewRun)
        prompt = find_prompt(self.actor.workspace_id, given["prompt"])
        started = start_run(
            self.actor,
            find_version(prompt, given["version"]),
            find_suite(self.actor.workspace_id, given["suite"]),
            baseline=_baseline(prompt, given),
            config=given.get("config"),
            again=given.get("again", False),
            budget=parse_budget(given.get("budget")),
        )
        return self.answer(started, status=202)


class RunView(RunBase):
    """One run."""

    @extend_schema(responses=answers.Run)
    def get(self, request: Request, pk: int) -> Response:
        """One run: how far it is, and what it says."""
        run = self.find(pk)
        self.allow(Permission.READ)
        return self.answer(run)


class ResultsView(RunBase):
    """The answers of a run."""

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "flipped", bool, description="true: cases that one version passes and the other does not."
            ),
            OpenApiParameter("status", str, enum=answers.RESULT_STATES, description="Of the answer."),
            OpenApiParameter("tag", str, description="Of the case."),
        ],
        responses=listing(answers.Result),
    )
    def get(self, request: Request, pk: int) -> Response:
        """Each answer of both versions, in the order in which they came."""
        run = self.find(pk)
        self.allow(Permission.READ)
        status, tag = self.choice("status", answers.RESULT_STATES), self.text("tag")
        rows = results_of(run, is_flipped=self.flag("flipped"), status=status, tag=tag)
        return self.page(rows, show_result, newest_first=False)


class ResultLabelView(RunBase):
    """What the caller says of one answer."""

    @extend_schema(request=bodies.NewLabel, responses=answers.ResultLabel)
    def post(self, request: Request, pk: int, result: int) -> Response:
        """Say whether the answer passes; it takes the place of what the same member said before."""
        found = find_result(self.find(pk), result)
        self.allow(Permission.WRITE)
        given = self.body(bodies.NewLabel)
        set_label(self.actor, found, **given)
        labels = found.labels.select_related("member__user")
        said = labels.get(member=self.actor.member_id, scorer=given.get("scorer", ""))
        return self.single(show_label(said))

    @extend_schema(
        parameters=[OpenApiParameter("scorer", str, description="Left out: the label on the answer as a whole.")],
        responses={204: None},
    )
    def delete(self, request: Request, pk: int, result: int) -> Response:
        """Take back what was said."""
        found = find_result(self.find(pk), result)
        self.allow(Permission.WRITE)
        remove_label(self.actor, found, scorer=self.text("scorer"))
        return Response(status=204)


class CancelRunView(RunBase):
    """A run stopped."""

    @extend_schema(request=Nothing, responses=answers.Run)
    def post(self, request: Request, pk: int) -> Response:
        """Stop asking; what was answered stays, and the check is an error."""
        run = self.find(pk)
        self.allow(Permission.RUN)
        self.body(Nothing)
        return self.answer(cancel_run(self.actor, run))


class ResumeRunView(RunBase):
    """A cancelled run gone on with."""

    @extend_schema(request=bodies.RunRetry, responses=answers.Run)
    def post(self, request: Request, pk: int) -> Response:
        """Go on with a cancelled run: only what has no answer yet is asked; refused once a later run asks the same."""
        run = self.find(pk)
        self.allow(Permission.RUN)
        budget = parse_budget(self.body(bodies.RunRetry).get("budget"))
        return self.answer(resume_run(self.actor, run, budget=budget))


class RetryErrorsView(RunBase):
    """A run's errors asked again."""

    @extend_schema(request=bodies.RunRetry, responses=answers.Run)
    def post(self, request: Request, pk: int) -> Response:
        """Ask again where no answer came, and go on where a budget stopped it, with a larger one; that is no look."""
        run = self.find(pk)
        self.allow(Permission.RUN)
        budget = parse_budget(self.body(bodies.RunRetry).get("budget"))
        return self.answer(retry_errors(self.actor, run, budget=budget))


def _baseline(prompt: Prompt, given: Mapping[str, Any]) -> PromptVersion | None:
    """A version by its number, or what is live in an environment by its name; None for no comparison."""
    named = given.get("baseline")
    if named is None:
        return None
    if isinstance(named, int):
        return find_version(prompt, named)
    live = live_deployment(prompt, find_environment(prompt.workspace_id, named))
    return live.version if live else None
