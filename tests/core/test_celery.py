from celery import current_app
from django.conf import settings

from evals_app.tasks import run_chunk
from registry.core.tasks import sweep


def test_tasks__sent_from_any_process__go_to_our_broker():
    for task in (run_chunk, sweep):
        assert task.app.main == "greenroom"
        assert task.app.conf.broker_url == settings.CELERY_BROKER_URL
        assert task.name in current_app.tasks
