"""What may travel between processes."""

import pickle

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.serialization import dumps, loads, prepare_accept_content

from registry.celery import app


def test_tasks__as_a_pickle__are_not_read() -> None:
    assert (app.conf.accept_content, app.conf.task_serializer) == (["json"], "json")
    accepted = prepare_accept_content(app.conf.accept_content)
    body = pickle.dumps({"task": "anything"})
    with pytest.raises(ContentDisallowed):
        loads(body, "application/x-python-serialize", "binary", accept=accepted)
    kind, coding, text = dumps({"a": 1}, serializer=app.conf.task_serializer)
    assert loads(text, kind, coding, accept=accepted) == {"a": 1}
