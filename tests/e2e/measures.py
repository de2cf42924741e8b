"""What every page is held to in a browser: axe's rules, nothing out of sight sideways, nothing that moves while it arrives, its weight."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import CDPSession, Page

ROOT = Path(__file__).parents[2]
AXE = ROOT / "tests" / "vendor" / "axe.min.js"
MOST_BYTES = 120_000
MOST_SHIFT = 0.02  # a fifth of what counts as good
WIDE, NARROW = 1280, 390
# Every rule of WCAG 2.2 to level AA counts, and of the others what axe calls serious or critical.
STANDARDS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
GRAVE = frozenset({"serious", "critical"})
_RUN = """
async (options) => {
  const found = await axe.run(document, options);
  return found.violations.map(({id, impact, tags, nodes}) => ({id, impact, tags,
    nodes: nodes.slice(0, 3).map((node) => `${node.target.join(" ")}: ${node.failureSummary}`)}));
}
"""
_SCRIPTS = """
() => [...document.scripts].filter((one) => !one.src || !(one.defer || one.type === "module")).map((one) => one.outerHTML.slice(0, 80))
"""
# Colours fade into each other: what is measured is what they end as. Now and then Chromium leaves a part in the colours of the
# other scheme; what is not displayed has none to keep.
_SETTLE = """
() => new Promise((done) => requestAnimationFrame(done)).then(() => {
  document.body.style.display = "none";
  document.body.getBoundingClientRect();
  document.body.style.display = "";
}).then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  document.getAnimations().forEach((one) => { try { one.finish(); } catch { one.cancel(); } });
  done();
}))))
"""
# What is wider than the part it stands in is painted over its neighbours, or out of sight.
_OUTSIDE = """
() => [...document.querySelectorAll(".table :is(th, td), .card, .secret, .note, .figure, .list > li")]
  .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === "visible")
  .map((one) => `${one.tagName.toLowerCase()} ${one.className}: ${one.textContent.trim().slice(0, 60)}`)
"""
# How far what was there has moved since the page was opened, by nobody's doing; and the parts that moved most.
_SHIFTS = """
() => new Promise((done) => {
  const found = [];
  const take = (entries) => found.push(...entries.filter((one) => !one.hadRecentInput));
  const watching = new PerformanceObserver((list) => take(list.getEntries()));
  watching.observe({ type: "layout-shift", buffered: true });
  setTimeout(() => {
    take(watching.takeRecords());
    const named = (node) => node ? `${node.nodeName.toLowerCase()} ${node.id || node.className || node.textContent.trim().slice(0, 30)}` : "?";
    const moved = found.flatMap((one) => one.sources.map((source) => `${named(source.node)} from ${source.previousRect.y} to ${source.currentRect.y}`));
    done({ total: found.reduce((sum, one) => sum + one.value, 0), moved: moved.slice(0, 4) });
  }, 100);
})
"""
# Parts that the page fetches once it stands are part of it.
_WHOLE = "() => !document.querySelector('[hx-trigger=load]')"
# What a reader may open is looked at too; menus float over what is below them, so they stay closed.
_OPEN = "() => document.querySelectorAll('details:not([data-menu])').forEach((one) => { one.open = true; })"

type Scheme = Literal["light", "dark"]


@cache
def _axe_source() -> str:
    return AXE.read_text(encoding="utf-8") + ";0"


def screenshots() -> Path:
    """Where pictures of the main screens go."""
    return Path(os.environ.get("SCREENSHOTS") or ROOT / "var" / "screenshots")


@dataclass
class Scales:
    """How many bytes a page takes over the line, compressed as served, nothing from the cache."""

    session: CDPSession
    _sizes: dict[str, float] = field(default_factory=dict)

    @classmethod
    def under(cls, page: Page) -> "Scales":
        """Scales that weigh whatever the page loads from now on."""
        scales = cls(page.context.new_cdp_session(page))
        scales.session.send("Network.enable")
        scales.session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        scales.session.on("Network.loadingFinished", scales._take)
        return scales

    def _take(self, done: dict[str, Any]) -> None:
        self._sizes[done["requestId"]] = done["encodedDataLength"]

    def read(self) -> int:
        """Bytes since the last reading."""
        total = int(sum(self._sizes.values()))
        self._sizes.clear()
        return total


def faults(page: Page) -> Iterator[str]:
    """What is wrong with the page as it is, wide and narrow, light and dark."""
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_function(_WHOLE)
    yield from shifts(page)
    page.evaluate(_OPEN)
    page.evaluate(_axe_source())
    yield from (f"{WIDE} light: {one}" for one in _measured(page, WIDE, "light", _everything()))
    yield from (f"{WIDE} dark: {one}" for one in _measured(page, WIDE, "dark", _colours()))
    yield from (f"{NARROW} dark: {one}" for one in _measured(page, NARROW, "dark", _everything()))
    yield from (f"{NARROW} light: {one}" for one in _measured(page, NARROW, "light", _colours()))
    yield from (f"a script that holds the page up: {one}" for one in page.evaluate(_SCRIPTS))
    if (sheets := page.evaluate("document.querySelectorAll('link[rel=stylesheet]').length")) != 1:
        yield f"{sheets} style sheets"


def shifts(page: Page) -> Iterator[str]:
    """Whether what stood on the page has moved since it was opened."""
    found = page.evaluate(_SHIFTS)
    if found["total"] >= MOST_SHIFT:
        yield f"moves by {found['total']:.3f} while it arrives: {'; '.join(found['moved'])}"


def wear(page: Page, scheme: Scheme) -> None:
    """The page in these colours, once all of it has taken them on."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.evaluate(_SETTLE)


def _measured(page: Page, width: int, scheme: Scheme, options: dict[str, Any]) -> Iterator[str]:
    page.set_viewport_size({"width": width, "height": 900})
    wear(page, scheme)
    for found in page.evaluate(_RUN, options):
        if found["impact"] in GRAVE or any(tag in STANDARDS for tag in found["tags"]):
            yield f"{found['id']} ({found['impact']}): {json.dumps(found['nodes'], ensure_ascii=False)}"
    if (scroll := page.evaluate("document.documentElement.scrollWidth")) > width:
        yield f"scrolls sideways: {scroll} px"
    yield from (f"wider than where it stands: {one}" for one in page.evaluate(_OUTSIDE))


def _everything() -> dict[str, Any]:
    return {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": [*STANDARDS, "best-practice"]}}


def _colours() -> dict[str, Any]:
    """What else the other scheme could break."""
    return {
        "resultTypes": ["violations"],
        "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    }
