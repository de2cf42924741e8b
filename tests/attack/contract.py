"""Cases that schemathesis makes of the OpenAPI document, with ids that exist put in, and answers held to the document.

The server runs in this process; each request is undone, so that every case meets the same workspace.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests import tally
from tests.api.client import document

CHECKS = [status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
# Of ten cases so many have what exists in their path; of their bodies and queries each member in half of the cases.
WITH_IDS = 8
# The stream is the read plane's, which is not there in this process.
UNAVAILABLE = "/api/v1/environments/{env}/stream"


@dataclass(frozen=True)
class Caller:
    """Somebody who asks: what they send with every request."""

    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Found:
    """What was tried, and what was wrong, each kind of mistake once by operation and with the request that shows it."""

    cases: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    wrong: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, operation: str, what: str, shown: str) -> None:
        if (operation, what) not in self.wrong:
            self.wrong[operation, what] = shown
            tally.note(f"found: {operation}: {what}")

    def text(self) -> str:
        """For whoever has to mend it."""
        return "\n\n".join(f"{operation}: {what}\n{shown}" for (operation, what), shown in self.wrong.items())


def operations() -> Iterator[Any]:
    """Every operation of the document, to be asked of this process. Who calls is the caller's matter, not the schema's."""
    whole = copy.deepcopy(document())
    whole["components"].pop("securitySchemes", None)
    for methods in whole["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    schema = schemathesis.openapi.from_dict(whole)
    schema.app = undone(get_wsgi_application())
    try:
        for found in schema.get_all_operations():
            yield found.ok()
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


def undone(application: Callable[..., Iterable[bytes]]) -> Callable[..., list[bytes]]:
    """The application, each request in a transaction of its own that is rolled back; constraints are looked at before."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        for signal in (request_started, request_finished):
            signal.disconnect(close_old_connections)  # as Django's test client does: the connection is in a transaction
        with transaction.atomic():
            parts = application(environ, start_response)
            try:
                body = b"".join(parts)
            finally:
                getattr(parts, "close", lambda: None)()
            if not connection.needs_rollback:
                connection.check_constraints()
            transaction.set_rollback(True)
        return [body]

    return answer


def attack(operation: Any, caller: Caller, seeds: "Seeds", *, cases: int) -> Found:
    """So many cases that the schema allows, and half as many that it does not."""
    found = Found()
    for mode, count in ((GenerationMode.POSITIVE, cases), (GenerationMode.NEGATIVE, cases // 2)):
        strategy = operation.as_strategy(generation_mode=mode, feedback=FeedbackSources())

        @settings(
            max_examples=max(count, 1),
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy, dice=st.randoms(use_true_random=False))
        def one(case: Any, dice: Random) -> None:
            _try(case, caller, seeds, dice, found)

        try:
            one()
        except Unsatisfiable:  # nothing that this operation takes can be wrong
            continue
    tally.note(f"contract: requests by {caller.name}", found.cases)
    return found


def _try(case: Any, caller: Caller, seeds: "Seeds", dice: Random, found: Found) -> None:
    seeds.put_into(case, dice)
    found.cases += 1
    label = case.operation.label
    try:
        response = case.call(headers=dict(caller.headers), cookies=dict(caller.cookies))
    except Exception as error:
        found.note(label, f"raises {type(error).__name__}", f"{error}\n{case!r}")
        return
    kind = f"{response.status_code // 100}xx"
    found.answers[kind] = found.answers.get(kind, 0) + 1
    if response.status_code >= 500 and not (response.status_code == 503 and case.path == UNAVAILABLE):
        found.note(label, f"answers {response.status_code}", f"{case!r}\n{response.content[:500]!r}")
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as failures:
        for one in failures.exceptions:
            found.note(label, one.title, f"{one.message}\n{case!r}\n{response.content[:500]!r}")


@dataclass(frozen=True)
class Seeds:
    """What exists: by the names of parameters and members, and the ids that mean another thing by path."""

    values: Mapping[str, Any]
    ids: Mapping[str, Any]
    etag_of: Callable[[str], str]

    def put_into(self, case: Any, dice: Random) -> None:
        """Exchange what was made up for what exists."""
        if dice.randrange(10) < WITH_IDS:
            for name in case.path_parameters or ():
                case.path_parameters[name] = self._in_path(case.path, name, case.path_parameters[name])
        for place in (case.query, case.body):
            if isinstance(place, dict):
                for name in [one for one in place if one in self.values and dice.random() < 0.5]:
                    place[name] = self.values[name]
        if "If-Match" in case.headers and dice.random() < 0.7:
            case.headers["If-Match"] = self.etag_of(case.formatted_path)

    def _in_path(self, path: str, name: str, otherwise: Any) -> Any:
        if name == "id":
            kind = path.removeprefix("/api/v1/").partition("/")[0]
            return self.ids[kind]
        return self.values.get(name, otherwise)
