"""`/environments/{env}/prompts/{name}`: going back, and taking out."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.rollback import roll_back, withdraw
from prompts_app.api import answers, bodies
from prompts_app.api.moving import MovingView, show_moved
from prompts_app.facts import current_policy
from prompts_app.visibility import visible_environment, visible_prompt
from registry.core.permissions import Permission


class RollBackView(MovingView):
    """An earlier version made live again."""

    @extend_schema(request=bodies.RollBack, responses=answers.Moved)
    def post(self, request: Request, env: str, name: str) -> Response:
        """Go back to an earlier deployment, byte for byte; gates, approvals and freezes do not stand in the way."""
        environment, prompt = visible_environment(self.actor, env), visible_prompt(self.actor, name)
        self.allow(Permission.ROLL_BACK)
        given = self.body(bodies.RollBack)
        moved = roll_back(self.actor, prompt, environment, **given)
        return Response(show_moved(moved))


class WithdrawView(MovingView):
    """A prompt taken out of an environment."""

    @extend_schema(request=bodies.Withdraw, responses=answers.Moved)
    def post(self, request: Request, env: str, name: str) -> Response:
        """Let nothing be live any more: the way back from a first deployment."""
        environment, prompt = visible_environment(self.actor, env), visible_prompt(self.actor, name)
        self.allow(Permission.WITHDRAW, protected=current_policy(environment).load().protected)
        given = self.body(bodies.Withdraw)
        moved = withdraw(self.actor, prompt, environment, **given)
        return Response(show_moved(moved))
