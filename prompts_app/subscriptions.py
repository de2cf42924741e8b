"""Which topics this app answers to: facts that may make a promotion ready, news that people are told,
and which rows the sweeper looks after for it."""

from prompts_app.actions.applying import apply_if_ready
from prompts_app.actions.telling import KINDS, TOLD, tell
from prompts_app.event_queries import TRANSLATED, offer_all
from prompts_app.models import PendingPrompts, Promotion, VersionCheck
from prompts_app.tasks import pull_langfuse
from registry.core import jobs, news
from registry.core.actions.telling_outside import listen
from registry.core.hints import hint_by
from registry.core.outbox import Message, subscribe


def subscribe_all() -> None:
    """Register the handlers; called once, when the app is ready."""
    for topic in ("promotion.changed", "promotion.voted", "promotion.commented"):
        subscribe(topic, _reconsider)
    subscribe("check.finished", _reconsider_what_waits_for)
    jobs.register(PendingPrompts, hint_by(pull_langfuse))
    for topic in TOLD:
        subscribe(topic, tell)
    for topic, label in KINDS.items():
        news.offer(topic, label)
    offer_all()
    for topic, translate in TRANSLATED.items():
        listen(topic, translate)


def _reconsider(message: Message) -> None:
    apply_if_ready(message.id("promotion_id"))


def _reconsider_what_waits_for(message: Message) -> None:
    check = VersionCheck.objects.get(pk=message.id("check_id"))
    waiting = Promotion.objects.pending().filter(prompt=check.prompt_id, version__digest=check.digest)
    for pk in waiting.exclude(ready_by=None).values_list("pk", flat=True):
        apply_if_ready(pk)
