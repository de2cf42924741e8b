"""Whatever services send to the read plane, it answers as Django does from the database, or hands it on; it never fails."""

import os
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import tally
from tests.api.client import Api
from tests.builders import Cast, Key, prompt, version
from tests.delivery.planes import running_plane

EXAMPLES = int(os.environ.get("EXAMPLES", "300"))
ENVIRONMENTS = st.sampled_from(
    ["development", "staging", "nowhere", "", "é", "a b", "development\x00", ".", "%64evelopment"]
)
NAMES = st.sampled_from(
    [
        "support/triage",
        "other",
        "nothing",
        "",
        "/",
        "support",
        "support/triage/",
        "a/render",
        "versions",
        "x" * 300,
        "é\x00",
    ]
) | st.text(min_size=1, max_size=20)
REST = st.sampled_from(["snapshot", "changes", "changes?wait=0", "deployments", "", "prompts"]) | NAMES.map(
    "prompts/{}".format
)
SINCE = st.sampled_from(
    ["", "?since=0", "?since=-1", "?since=x", "?since=" + "9" * 30, "?since=1&since=2", "?\xff", "?since=²"]
)
HEADERS = st.dictionaries(
    st.sampled_from(["If-None-Match", "X-Request-Id", "X-Workspace", "Accept", "Last-Event-ID"]),
    st.sampled_from(["*", '"', 'W/"a"', "a" * 5_000, "\xff", "acme", "", "12", "-1", '"a", "b"']),
)


@pytest.mark.attack
@pytest.mark.django_db(transaction=True)
def test_read_plane__whatever_is_sent__answers_as_django_does_or_hands_it_on(cast: Cast) -> None:
    made = prompt(cast.ada, text="Grüße {{ name }}")
    version(cast.ada, made, "Hi {{ name }}")
    prompt(cast.ada, "other")
    service = cast.key("service", environment="development")
    keys: list[Key | str | None] = [service, cast.key(), cast.key(scopes=["write"]), None]
    keys += [
        "Bearer gr_nonsense",
        "Basic \xe9",
        "Basic Og==",
        "",
        " ",
        "Bearer",
        f"bearer  {service.token} ",
        "Digest x",
    ]

    with running_plane() as plane:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(ENVIRONMENTS, REST, SINCE, HEADERS, st.sampled_from(keys), st.sampled_from(["GET", "HEAD"]))
        def one(place: str, rest: str, since: str, headers: dict[str, str], key: Key | str | None, method: str) -> None:
            tally.note("contract: requests to the read plane")
            path = f"environments/{place}/{rest}{since}"
            answer = plane.get(
                path, key, method=method, **{name.replace("-", "_"): text for name, text in headers.items()}
            )
            if answer.passed_on:
                return
            assert answer.status in {200, 204, 304, 400, 401, 403, 404, 410, 422}, (path, answer.status)
            if not rest.startswith("prompts/") or method == "HEAD":
                return
            sent = headers | (key.headers if isinstance(key, Key) else {"Authorization": key} if key else {})
            told = Api().http.generic(method, f"/api/v1/{quote(path.partition('?')[0])}", headers=sent)
            assert (answer.status, answer.body if answer.status == 200 else b"") == (
                told.status_code,
                told.content if answer.status == 200 else b"",
            ), path

        one()
