"""Files that are downloaded while they are written."""

from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse

PIECE = 64 * 1024


def download(name: str, media: str, pieces: Iterable[str]) -> StreamingHttpResponse:
    """`pieces` as a file of that name, sent as they are made, 64 KB at a time; no cache may keep it."""
    return StreamingHttpResponse(
        _gathered(pieces),
        content_type=media,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _gathered(pieces: Iterable[str]) -> Iterator[bytes]:
    waiting: list[str] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= PIECE:
            yield "".join(waiting).encode()
            waiting, length = [], 0
    if waiting:
        yield "".join(waiting).encode()
