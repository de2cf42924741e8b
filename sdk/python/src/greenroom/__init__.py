"""The client of a Greenroom prompt registry: `Client(environment="production").get("support/triage").render(name="Ada")`."""

__version__ = "0.1.0"

from greenroom.client import AsyncClient, Client
from greenroom.errors import (
    Corrupt,
    GreenroomError,
    Misconfigured,
    NotLive,
    Refused,
    RenderError,
    StrangeAnswer,
    Unavailable,
    Unreachable,
)
from greenroom.prompt import Prompt

__all__ = [
    "AsyncClient",
    "Client",
    "Corrupt",
    "GreenroomError",
    "Misconfigured",
    "NotLive",
    "Prompt",
    "Refused",
    "RenderError",
    "StrangeAnswer",
    "Unavailable",
    "Unreachable",
]
