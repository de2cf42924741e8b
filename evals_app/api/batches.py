"""`/runs/batches`: one version over several models, started, read and cancelled in one action."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.batches import cancel_batch, find_batch, start_batch
from evals_app.actions.suites import find_suite
from evals_app.api import batch_answers as answers
from evals_app.api import bodies
from evals_app.batch_configs import parse_configs
from evals_app.batch_queries import batch_sheet, batches_of
from evals_app.budgets import parse_budget
from evals_app.models import RunBatch
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import find_version
from registry.core.api.bodies import Nothing
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.permissions import Permission


class BatchBase(RegistryView):
    """What all routes of batches share."""

    def find(self, pk: int) -> RunBatch:
        """The batch of the address; raises NotFound."""
        return find_batch(self.actor.workspace_id, pk)

    def answer(self, pk: int, *, status: int = 200) -> Response:
        """The batch as it is now."""
        return self.single(answers.show_batch(batch_sheet(self.find(pk))), status=status)


class BatchesView(BatchBase):
    """The batches of the workspace."""

    @extend_schema(responses=listing(answers.BatchSummary))
    def get(self, request: Request) -> Response:
        """Comparisons of models, the newest first."""
        self.allow(Permission.READ)
        return self.page(batches_of(self.actor.workspace_id), answers.show_listed_batch)

    @extend_schema(request=bodies.NewBatch, responses={202: answers.Batch})
    def post(self, request: Request) -> Response:
        """Ask one version a suite's cases with each of several models: runs beside each other, which post no check."""
        self.allow(Permission.RUN)
        given = self.body(bodies.NewBatch)
        prompt = find_prompt(self.actor.workspace_id, given["prompt"])
        batch = start_batch(
            self.actor,
            find_version(prompt, given["version"]),
            find_suite(self.actor.workspace_id, given["suite"]),
            configs=parse_configs(given["configs"]),
            budget=parse_budget(given.get("budget")),
        )
        return self.answer(batch.pk, status=202)


class BatchView(BatchBase):
    """One batch."""

    @extend_schema(responses=answers.Batch)
    def get(self, request: Request, batch: int) -> Response:
        """The models beside each other: how far they are, and what each says against the first."""
        found = self.find(batch)
        self.allow(Permission.READ)
        return self.answer(found.pk)


class CancelBatchView(BatchBase):
    """A batch stopped."""

    @extend_schema(request=Nothing, responses=answers.Batch)
    def post(self, request: Request, batch: int) -> Response:
        """Stop every run of it that is still open; what was answered stays."""
        found = self.find(batch)
        self.allow(Permission.RUN)
        self.body(Nothing)
        cancel_batch(self.actor, found)
        return self.answer(found.pk)
