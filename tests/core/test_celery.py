from celery import current_app
from django.conf import settings

from evals_app.tasks import run_chunk
from registry.core.tasks import sweep


def test_tasks__sent_from_any_process__go_to_our_broker():
    for task in (run_chunk, sweep):
        assert task.app.main == "greenroom"
        assert task.app.conf.broker_url == settings.CELERY_BROKER_URL
        assert task.name in current_app.tasks


def test_queues__what_takes_minutes_has_its_own__and_a_worker_takes_both():
    def queue_of(name: str) -> str:
        queue: str = current_app.amqp.router.route({}, name)["queue"].name
        return queue

    long = {run_chunk.name, "evals.apply_retention", "prompts.verify_contents"}
    others = {name for name in current_app.tasks if name.startswith(("core.", "prompts.", "evals."))} - long
    assert len(others) > 8 and {queue_of(name) for name in others} == {"default"}
    assert {queue_of(name) for name in long} == {"runs"} and long < current_app.tasks.keys()
    taken = current_app.amqp.queues.consume_from
    assert {(one.name, one.exchange.name, one.routing_key) for one in taken.values()} == {
        ("default", "default", "default"),
        ("runs", "runs", "runs"),
    }
