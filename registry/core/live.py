"""Answers whose body is made in the server's event loop, piece by piece, while no thread waits for it."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

from django.http import StreamingHttpResponse

type Pieces = Callable[[], AsyncGenerator[bytes]]


class LiveResponse(StreamingHttpResponse):
    """A view's decision to go on telling: the bridge frees the view's thread and iterates `live()` in its loop.

    The iterator is closed when the caller goes away. Under a plain WSGI server the body is empty.
    """

    def __init__(self, live: Pieces, *, content_type: str, **options: Any) -> None:
        super().__init__((), content_type=content_type, **options)
        self.live = live
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"
