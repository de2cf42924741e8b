"""A TCP proxy between a client and a server: connections can be cut, refused, or left without an answer; streams held back or cut."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

PIECE = 65536


class Proxy:
    """Listens on a loopback port of its own and hands everything to `target`; what it does now can be changed at any time.

    `asked` has the first line of each request; `against_streams` is empty, `hold` or `cut`.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.mode = "pass"
        self.against_streams = ""
        self.asked: list[str] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection there is."""
        with self._lock:
            there, self._open = self._open, set()
        for one in there:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def go_down(self, mode: str = "refuse") -> None:
        """From now on `refuse` (closed at once) or `hang` (accepted, never answered); what was open is cut."""
        self.mode = mode
        self.cut()

    def come_back(self, target: int = 0) -> None:
        """Pass again, to another port if one is named."""
        self.target = target or self.target
        self.mode = "pass"
        self.cut()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.mode == "refuse":
                client.close()
                continue
            self._keep(client)
            if self.mode == "pass":
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        self._keep(server)
        is_stream = threading.Event()
        for work, source, sink in ((self._ask, client, server), (self._answer, server, client)):
            threading.Thread(target=self._pump, args=(work, is_stream, source, sink), daemon=True).start()

    def _keep(self, one: socket.socket) -> None:
        with self._lock:
            self._open.add(one)

    def _ask(self, piece: bytes, is_stream: threading.Event) -> bytes:
        """Note what is asked for; each request of these clients is one piece."""
        line = piece.partition(b" HTTP/1.1\r\n")[0].decode("latin-1")
        self.asked.append(line)
        if line.endswith("/stream"):
            is_stream.set()
        return piece

    def _answer(self, piece: bytes, is_stream: threading.Event) -> bytes:
        """What is passed on of a piece; `hold` gives nothing of a stream, `cut` breaks it after its head."""
        if is_stream.is_set() and self.against_streams:
            if self.against_streams == "hold":
                return b""
            raise ConnectionResetError
        return piece

    def _pump(
        self,
        work: Callable[[bytes, threading.Event], bytes],
        is_stream: threading.Event,
        source: socket.socket,
        sink: socket.socket,
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                if self.mode == "hang":
                    return
                sink.sendall(work(piece, is_stream))
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
