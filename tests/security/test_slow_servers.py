"""A server that sends byte by byte holds nobody: the whole of a request has a time limit."""

import socket
import threading
from collections.abc import Iterator

import pytest

from registry.core import fetching
from registry.core.fetching import FetchError, get_json


@pytest.fixture
def drips() -> Iterator[int]:
    """The port of a server that begins an answer and then sends a blank now and then, for ever."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            try:
                peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n1")
                while not ended.wait(0.05):
                    peer.sendall(b" ")
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    ended.set()
    listener.close()
    thread.join(5)


def test_fetch__answer_that_drips__is_cut_off_and_not_taken_for_whole(
    drips: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TOTAL_TIMEOUT_S", 0.5)
    with pytest.raises(FetchError, match="does not answer"):
        get_json(f"http://127.0.0.1:{drips}", "x", headers={}, allow={f"127.0.0.1:{drips}"})
