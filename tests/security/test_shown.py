"""4, 5, 6, 70. What people and models wrote is text on every page: no markup of theirs, no picture from elsewhere, nothing unseen."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from evals_app.actions.runs import start_run
from evals_app.scripted_provider import Rule
from prompts_app.actions import promotions, reviews
from prompts_app.actions.checks import post_external_check
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.facts import subject_of
from prompts_app.models import Vote
from registry.core.invisible import name_of
from tests import scenes
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn

UNSEEN = "\u202e\u2066\u200b\ufeff\U000e0068\U000e0069"
EVIL = (
    f"so {UNSEEN} <script>alert(1)</script> ![x](https://evil.example/a.png) <img src=https://evil.example/b.png "
    "onerror=alert(1)> [y](javascript:alert(1)) </textarea></pre><b>bold</b>"
)
NEVER_SEEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff\U000e0000-\U000e007f]")
# What is typed, copied or offered to be chosen holds the characters themselves.
RAW = {"textarea", "title", "option", "script", "template"}


class Page(HTMLParser):
    """What a page shows: its text, the addresses it leads to or loads, and the names of its elements and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.addresses: list[tuple[str, str]] = []
        self.elements: list[str] = []
        self.handlers: list[str] = []
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.addresses += [
            (name, value or "") for name, value in attrs if name in {"href", "src", "action", "formaction"}
        ]
        if tag in RAW:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.text.append(data)


@pytest.fixture
def addresses(cast: Cast) -> Iterator[list[str]]:
    """Pages of a workspace in which everything that can be written is evil."""
    rules = (Rule(anywhere="so", answer=EVIL, calls=(("look", f'{{"at": "{UNSEEN}<b>"}}'),)),)
    for environment in ("staging", "production"):
        scenes.policy(cast, environment, approvals=1, require_predecessor=False, require_suites=False, min_suites=0)
    with building.scripted(*rules) as provider:
        building.add_provider(cast, provider)
        prompt = create_prompt(cast.ada, "evil", kind="chat", description=EVIL, tags=["a<b>c"])
        properties = {"q": {"type": "string", "description": EVIL}}
        content = {
            "messages": [{"role": "system", "content": "be good"}, {"role": "user", "content": "{{ q }}"}],
            "config": {"temperature": 0, "stop": [EVIL]},
            "tools": [{"type": "function", "function": {"name": "look", "description": EVIL, "parameters": {"type": "object"}}}],
            "variables": {"type": "object", "properties": properties, "required": ["q"]},
        }  # fmt: skip
        first = create_version(cast.ada, prompt, content, message=EVIL).version
        worse = [{"role": "system", "content": f"be good {EVIL}"}, {"role": "user", "content": "{{ q }}"}]
        second = create_version(cast.ada, prompt, {**content, "messages": worse}, message=EVIL).version
        cases = [
            {"key": f"case {n} <b>", "variables": {"q": f"{n} {EVIL}"}, "expected": EVIL, "tags": ["t<b>"]}
            for n in range(25)
        ]
        suite = building.suite(cast.ada, "evil", of=cases, scorers=[{"kind": "equals"}, {"kind": "contains"}])
        building.require(cast.ada, suite, prompt)
        run = building.work(start_run(cast.ada, second, suite, baseline=first))
        asked = promotions.open_promotion(cast.ada, second, cast.environment("production"), title=EVIL[:150])
        reviews.comment(cast.grace, asked, body=EVIL)
        seen = subject_of(scenes.fresh(asked)).hash
        reviews.vote(cast.grace, asked, Vote.REQUEST_CHANGES, stamp=None, subject_hash=seen, comment=EVIL)
        key = cast.key(scopes=["check"]).actor
        post_external_check(key, second, name="external/lint", state="failed", url="https://ci.example/1", summary=EVIL)
        answer = run.results.filter(arm="candidate").order_by("pk")[0]
        yield [
            "/w/acme/", "/w/acme/prompts/evil", "/w/acme/prompts/evil/versions", "/w/acme/prompts/evil/versions/2",
            "/w/acme/prompts/evil/diff?from=1&to=2", "/w/acme/prompts/evil/diff?from=1&to=2&view=split",
            "/w/acme/prompts/evil/checks", "/w/acme/prompts/evil/drafts/edit",
            f"/w/acme/promotions/{asked.pk}", f"/w/acme/promotions/{asked.pk}/record", "/w/acme/promotions", "/w/acme/reviews",
            "/w/acme/suites/evil", "/w/acme/suites/evil/edit", f"/w/acme/runs/{run.pk}",
            f"/w/acme/runs/{run.pk}/cases/{answer.case.position + 1}",
            f"/w/acme/runs/{run.pk}/cases/{answer.case.position + 1}/answers/{answer.pk}",
            f"/w/acme/runs/{run.pk}/compare/{run.pk}?old_arm=baseline",
            "/w/acme/prompts/evil/drafts/try?version=2&case=evil/case 0 <b>",
            "/w/acme/settings/audit", "/w/acme/search?q=evil", "/w/acme/notifications",
        ]  # fmt: skip


def test_pages__of_what_is_evil__show_it_as_text_and_every_unseen_character_by_its_name(
    cast: Cast, addresses: list[str], as_: SignedIn
) -> None:
    client, marked = as_(cast.grace), 0
    owner = as_(cast.olga)
    for address in addresses:
        answer = (owner if "/settings/" in address else client).get(address)
        assert answer.status_code == 200, address
        html = answer.content.decode()
        page = Page(html)
        unseen = [text for text in page.text if NEVER_SEEN.search(text)]
        assert not unseen, f"{address}: {[ascii(text[:80]) for text in unseen[:3]]}"
        marked += html.count(f">{name_of(UNSEEN[0])}</span>")
        assert "img" not in page.elements and "b" not in page.elements and "iframe" not in page.elements, address
        assert page.handlers == [], address
        foreign = {one for one in page.addresses if not one[1].startswith(("/", "?", "#")) and one[1]}
        assert foreign <= {("href", "https://ci.example/1")}, address
        policy = answer["Content-Security-Policy"]
        assert "img-src 'self' data:;" in policy and "default-src 'self';" in policy
    assert marked > 20
