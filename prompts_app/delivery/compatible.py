"""Gets of the Langfuse-compatible API from memory: the plain good answer; whatever else is to be said is said by Django."""

from urllib.parse import parse_qsl

from prompts_app.compat.langfuse.reading import Asked, Reader, find_version, refuse_more_than_plain, show_prompt
from prompts_app.compat.langfuse.refusals import NotPlain
from prompts_app.content import is_prompt_name
from prompts_app.delivery.bodies import Entry, entry_of
from prompts_app.delivery.grants import Grant
from prompts_app.delivery.memory import Place
from registry.core.asgi_types import Scope
from registry.core.errors import NotFound

PREFIX = "/api/public/v2/prompts/"
# No environment is called so: its slug has no colon.
GROUP = "langfuse:"


def group_of(workspace_id: int, prompt: str) -> tuple[int, str]:
    """All answers about a prompt: what is dropped when anything of it changes."""
    return workspace_id, f"{GROUP}{prompt}"


def is_compatible(group: tuple[int, str]) -> bool:
    """Whether these are answers of this kind."""
    return group[1].startswith(GROUP)


def place_of(scope: Scope, grant: Grant) -> Place:
    """Where the answer to a get is held: apart for each prompt, service key's environment and query."""
    query = scope["query_string"].decode("latin-1")
    return grant.workspace_id, GROUP + scope["path"][len(PREFIX) :], f"{grant.environment}?{query}"


def is_simple(scope: Scope) -> bool:
    """Whether a request asks for one prompt, by a name that one can have, and by no more than a version or a label."""
    if scope["method"] != "GET" or not is_prompt_name(scope["path"][len(PREFIX) :]):
        return False
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return len(given) <= 1 and all(_asks(name, value) for name, value in given)


def read_compatible(workspace_id: int, group: str, key: str) -> Entry | None:
    """The answer for a place; None where it is no plain good one. Seven queries at most."""
    environment, _, query = key.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    asked = Asked(group.removeprefix(GROUP), int(given.get("version", 0)) or None, given.get("label"))
    reader = Reader(workspace_id, environment)
    try:
        version = find_version(reader, asked)
        refuse_more_than_plain(version)
    except (NotFound, NotPlain):
        return None
    if hasattr(version, "yank"):
        return None
    return entry_of(show_prompt(reader, version), revision=0)


def _asks(name: str, value: str) -> bool:
    if name == "version":
        return value.isascii() and value.isdecimal() and len(value) < 10 and value[0] != "0"
    return name == "label" and value.isprintable() and value != ""
