"""What is live in an environment as the protocol lists it, without reading the prompts' texts."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import cast

from django.db.models import F, Func, TextField

from prompts_app.mcp.protocol import Code, Fault
from prompts_app.mcp.terms import definition
from prompts_app.models import LivePointer
from registry.core.canonical import JSON, is_storable

PAGE = 100


class _Variables(Func):
    """The contract in a stored content, its keys in the author's order."""

    template = "(%(expressions)s::json -> 'variables')::text"
    output_field = TextField()


class _Placeholders(Func):
    """The names of placeholders in a stored content."""

    template = (
        "jsonb_path_query_array(%(expressions)s::jsonb, '$.messages[*] ? (@.type == \"placeholder\").name')::text"
    )
    output_field = TextField()


def list_live(workspace_id: int, environment: str, cursor: JSON) -> tuple[list[JSON], str]:
    """A page of what is live, by name, and the cursor of the next; empty after the last. Raises Fault. One query."""
    rows = LivePointer.objects.live().filter(
        environment__workspace_id=workspace_id,
        environment__name=environment,
        environment__archived_at=None,
        prompt__name__gt=_after(cursor),
    )
    content = F("deployment__version__content")
    told = rows.order_by("prompt__name").values_list(
        "prompt__name", "prompt__description", _Variables(content), _Placeholders(content)
    )
    found: Sequence[tuple[str, str, str | None, str]] = list(told[: PAGE + 1])
    shown: list[JSON] = [
        definition(
            name, description, json.loads(variables or "null") or {}, cast("list[str]", json.loads(placeholders))
        )
        for name, description, variables, placeholders in found[:PAGE]
    ]
    is_last = len(found) <= PAGE
    return shown, "" if is_last else base64.urlsafe_b64encode(found[PAGE - 1][0].encode()).decode()


def _after(cursor: JSON) -> str:
    if cursor is None:
        return ""
    try:
        name = base64.b64decode(str(cursor), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        name = ""
    if not name or not is_storable(name):
        raise Fault(Code.INVALID_PARAMS, "This `cursor` is not one that was given here: list from the start.")
    return name
