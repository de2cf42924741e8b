"""The example of a proxy sends to `serve_delivery` what that answers, and nothing that it would refuse."""

import re
from pathlib import Path

import pytest

import registry

CONFIG = Path(registry.__file__).resolve().parent.parent / "deploy" / "nginx.conf"
LIVE = "/api/v1/environments/production/prompts/support/triage"


def upstream_of(method: str, path: str) -> str:
    """As nginx's `map` picks it: the first expression that is found, else the default."""
    (rules,) = re.findall(r'^map "\$request_method \$uri" \$greenroom \{\n(.*?)^\}', CONFIG.read_text(), re.M | re.S)
    default, *expressions = rules.split(";\n")[:-1]
    for rule in expressions:
        pattern, upstream = rule.strip().rsplit(" ", 1)
        if re.search(pattern.strip('"').removeprefix("~"), f"{method} {path}"):
            return upstream
    return default.split()[1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", LIVE),
        ("HEAD", LIVE),
        ("POST", f"{LIVE}/render"),
        ("GET", "/api/v1/environments/production/snapshot"),
        ("GET", "/api/v1/environments/production/changes"),
        ("GET", "/api/v1/environments/production/stream"),
        ("GET", "/api/v1/prompts/support/triage/versions/3"),
        ("GET", "/api/v1/prompts/support/triage/digests/abc"),
        ("POST", "/api/v1/usage/reports"),
    ],
)
def test_proxy__what_services_read__goes_to_the_process_that_delivers(method: str, path: str) -> None:
    assert upstream_of(method, path) == "greenroom_delivery"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/w/acme/"),
        ("GET", "/api/v1/prompts"),
        ("POST", "/api/v1/prompts/support/triage/versions"),
        ("POST", f"{LIVE}/rollback"),
        ("POST", f"{LIVE}/withdraw"),
        ("GET", "/api/v1/environments/production/prompts"),
        ("PATCH", "/api/v1/environments/production"),
        ("HEAD", "/api/v1/environments/production/changes"),
        ("HEAD", "/api/v1/environments/production/stream"),
        ("GET", "/api/public/v2/prompts/support/triage"),
        ("POST", "/mcp"),
        ("GET", "/readyz"),
    ],
)
def test_proxy__everything_else__goes_to_web(method: str, path: str) -> None:
    assert upstream_of(method, path) == "greenroom_web"
