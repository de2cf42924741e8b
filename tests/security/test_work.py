"""What may travel between processes."""

import pickle

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.serialization import dumps, loads, prepare_accept_content

from registry.celery import LONGEST_TASK_S, app


def test_broker__messages_of_lost_workers__are_looked_for_every_five_seconds_and_outlive_any_task() -> None:
    """Kombu's own pace would be a tenth of that; and a message that came back while its task runs would run it twice."""
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        assert channel.unacked_restore_interval * channel.unacked_restore_throttle == 5
        assert channel.visibility_timeout > LONGEST_TASK_S
    assert app.conf.visibility_timeout == app.conf.result_backend_transport_options["visibility_timeout"]
    assert (app.conf.task_acks_late, app.conf.task_reject_on_worker_lost, app.conf.task_ignore_result) == (True,) * 3
    assert app.conf.worker_prefetch_multiplier == 1


def test_tasks__as_a_pickle__are_not_read() -> None:
    assert (app.conf.accept_content, app.conf.task_serializer) == (["json"], "json")
    accepted = prepare_accept_content(app.conf.accept_content)
    body = pickle.dumps({"task": "anything"})
    with pytest.raises(ContentDisallowed):
        loads(body, "application/x-python-serialize", "binary", accept=accepted)
    kind, coding, text = dumps({"a": 1}, serializer=app.conf.task_serializer)
    assert loads(text, kind, coding, accept=accepted) == {"a": 1}
