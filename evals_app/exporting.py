"""A file that is downloaded while it is written."""

from django.http import StreamingHttpResponse

from evals_app.export_queries import ExportedFile
from registry.core.downloads import download


def as_download(file: ExportedFile) -> StreamingHttpResponse:
    """The file as an answer, sent in pieces as they are read; no cache may keep it."""
    return download(file.name, file.media, file.pieces)
