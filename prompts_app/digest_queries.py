"""Is what versions say still what their digests say?"""

from collections.abc import Iterator

from prompts_app.content import content_digest
from prompts_app.models import PromptVersion
from registry.core.errors import RegistryError


def damaged_versions() -> Iterator[PromptVersion]:
    """Versions whose content is not that of their digest, oldest first; reads all of them, some at a time."""
    for version in PromptVersion.objects.select_related("prompt__workspace").order_by("pk").iterator(chunk_size=200):
        if not _is_whole(version):
            yield version


def _is_whole(version: PromptVersion) -> bool:
    try:
        return content_digest(version.load()) == version.digest
    except (RegistryError, ValueError, KeyError, TypeError, AttributeError):
        return False
