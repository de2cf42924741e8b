"""Is what versions say still what their digests say?"""

from collections.abc import Iterator

from prompts_app.models import PromptVersion
from prompts_app.wholeness import is_whole


def damaged_versions() -> Iterator[PromptVersion]:
    """Versions whose content is not that of their digest, oldest first; reads all of them, some at a time."""
    for version in PromptVersion.objects.select_related("prompt__workspace").order_by("pk").iterator(chunk_size=200):
        if not is_whole(version.prompt.kind, version.content, version.digest):
            yield version
