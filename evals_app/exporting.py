"""A file that is downloaded while it is written."""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

from evals_app.export_queries import ExportedFile

PIECE = 64 * 1024


def as_download(file: ExportedFile) -> StreamingHttpResponse:
    """The file as an answer, sent in pieces as they are read; no cache may keep it."""
    return StreamingHttpResponse(
        _sent(_gathered(iter(file.pieces))),
        content_type=file.media,
        headers={"Content-Disposition": f'attachment; filename="{file.name}"', "Cache-Control": "no-store"},
    )


async def _sent(pieces: Iterator[str]) -> AsyncIterator[bytes]:
    """An iterator of Django's server: a plain one would be read to its end before anything is sent."""
    following = sync_to_async(lambda: next(pieces, ""))
    while piece := await following():
        yield piece.encode()


def _gathered(pieces: Iterator[str]) -> Iterator[str]:
    waiting: list[str] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= PIECE:
            yield "".join(waiting)
            waiting, length = [], 0
    if waiting:
        yield "".join(waiting)
