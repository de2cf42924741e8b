"""`/environments`: stages, their rules and freezes, and what was deployed in them."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.environments import (
    change_environment,
    create_environment,
    end_freeze,
    find_freeze,
    freeze_environment,
)
from prompts_app.actions.rollback import clear_quarantine, find_quarantine
from prompts_app.api import answers, bodies
from prompts_app.api.shapes import show_deployment, show_environment, show_freeze, show_quarantine
from prompts_app.facts import current_policies, current_policy
from prompts_app.models import Deployment, Environment, Freeze, Quarantine
from prompts_app.policy import parse_policy
from prompts_app.visibility import visible_environment, visible_prompt
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.permissions import Permission


class EnvironmentsView(RegistryView):
    """The environments of the workspace."""

    @extend_schema(responses=listing(answers.Environment))
    def get(self, request: Request) -> Response:
        """Environments, the lowest rank first; all of them."""
        self.allow(Permission.READ)
        rows = Environment.objects.in_workspace(self.actor.workspace_id).select_related("counter")
        policies = current_policies(rows)
        results: list[JSON] = [show_environment(environment, policies[environment.pk]) for environment in rows]
        return Response({"results": results, "next": None})

    @extend_schema(request=bodies.NewEnvironment, responses={201: answers.Environment})
    def post(self, request: Request) -> Response:
        """Make an environment; a policy that is left out asks nothing."""
        self.allow(Permission.ADMINISTER)
        given = self.body(bodies.NewEnvironment)
        name, policy = given.pop("name"), parse_policy(given.pop("policy", {}))
        made = create_environment(self.actor, name, policy=policy, **given)
        return self.single(_show(made), status=201)


class EnvironmentView(RegistryView):
    """One environment."""

    @extend_schema(responses=answers.Environment)
    def get(self, request: Request, env: str) -> Response:
        """One environment with its policy."""
        environment = visible_environment(self.actor, env)
        self.allow(Permission.READ)
        return self.single(_show(environment))

    @extend_schema(request=bodies.EnvironmentChange, responses=answers.Environment)
    def patch(self, request: Request, env: str) -> Response:
        """Relabel, recolour, reorder, or change rules; open promotions keep the stricter of the old and the new."""
        environment = visible_environment(self.actor, env)
        self.allow(Permission.ADMINISTER)
        changed = change_environment(self.actor, environment, **self.body(bodies.EnvironmentChange))
        return self.single(_show(changed))


class FreezesView(RegistryView):
    """The freezes of an environment."""

    @extend_schema(responses=listing(answers.Freeze))
    def get(self, request: Request, env: str) -> Response:
        """Freezes, the newest first; past and cancelled ones too."""
        environment = visible_environment(self.actor, env)
        self.allow(Permission.READ)
        return self.page(Freeze.objects.filter(environment=environment), show_freeze)

    @extend_schema(request=bodies.NewFreeze, responses={201: answers.Freeze})
    def post(self, request: Request, env: str) -> Response:
        """Stop promotions for a time; going back stays possible."""
        environment = visible_environment(self.actor, env)
        self.allow(Permission.ADMINISTER)
        given = self.body(bodies.NewFreeze)
        freeze = freeze_environment(
            self.actor,
            environment,
            starts_at=given.get("starts_at") or database_now(),
            ends_at=given["ends_at"],
            reason=given["reason"],
        )
        return self.single(show_freeze(freeze), status=201)


class FreezeView(RegistryView):
    """One freeze."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, env: str, freeze_id: int) -> Response:
        """Lift a freeze before its end."""
        freeze = find_freeze(visible_environment(self.actor, env), freeze_id)
        self.allow(Permission.ADMINISTER)
        end_freeze(self.actor, freeze)
        return Response(status=204)


class DeploymentsView(RegistryView):
    """What was deployed in an environment."""

    @extend_schema(responses=listing(answers.Deployment))
    def get(self, request: Request, env: str) -> Response:
        """Deployments, the newest first."""
        environment = visible_environment(self.actor, env)
        self.allow(Permission.READ)
        return self.page(_deployments(environment), show_deployment)


class PromptDeploymentsView(RegistryView):
    """What was deployed of a prompt in an environment."""

    @extend_schema(responses=listing(answers.Deployment))
    def get(self, request: Request, env: str, name: str) -> Response:
        """Deployments, the newest first: what one can go back to."""
        environment, prompt = visible_environment(self.actor, env), visible_prompt(self.actor, name)
        self.allow(Permission.READ)
        return self.page(_deployments(environment).filter(prompt=prompt), show_deployment)


class QuarantinesView(RegistryView):
    """What was rolled back in an environment and may not come back."""

    @extend_schema(
        parameters=[OpenApiParameter("prompt", str), OpenApiParameter("cleared", bool)],
        responses=listing(answers.Quarantine),
    )
    def get(self, request: Request, env: str) -> Response:
        """Quarantines, the newest first."""
        environment = visible_environment(self.actor, env)
        self.allow(Permission.READ)
        rows = Quarantine.objects.filter(environment=environment).select_related("prompt", "deployment")
        prompt, cleared = self.text("prompt"), self.flag("cleared")
        rows = rows.filter(prompt__name=prompt) if prompt else rows
        return self.page(rows if cleared is None else rows.filter(cleared_at__isnull=not cleared), show_quarantine)


class ClearQuarantineView(RegistryView):
    """A content let back in."""

    @extend_schema(request=bodies.Reason, responses=answers.Quarantine)
    def post(self, request: Request, env: str, quarantine_id: int) -> Response:
        """Let a content be promoted here again, for a reason."""
        row = find_quarantine(visible_environment(self.actor, env), quarantine_id)
        self.allow(Permission.CLEAR_QUARANTINE)
        given = self.body(bodies.Reason)
        clear_quarantine(self.actor, row.prompt, row.environment, digest=row.digest, reason=given["reason"])
        row.refresh_from_db(fields=["cleared_at", "cleared_by_name", "clear_reason"])
        return self.single(show_quarantine(row))


def _show(environment: Environment) -> dict[str, JSON]:
    row = Environment.objects.select_related("counter").get(pk=environment.pk)
    return show_environment(row, current_policy(row))


def _deployments(environment: Environment) -> QuerySet[Deployment]:
    return Deployment.objects.filter(environment=environment).select_related(
        "prompt", "environment", "version", "override__by__user", "override__reviewed_by__user"
    )
