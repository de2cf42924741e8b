"""What every page draws the same way: icons, states, times, people, environments. Built in: no `{% load %}` needed."""

import json
import re
import shlex
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from registry.core.invisible import code_point, pieces

register = template.Library()

UNIT = re.compile(r"(?<=\d) (?=%|(?:ms|s|points|kB|MB)\b)")
MOMENT = re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d UTC\b")

PALETTE = ("slate", "sky", "blue", "violet", "pink", "red", "orange", "amber", "green", "teal")


@dataclass(frozen=True)
class Look:
    """How a state is shown: never by colour alone."""

    tone: str
    icon: str
    word: str
    is_moving: bool = False


LOOKS: dict[str, Look] = {
    # checks and runs
    "passed": Look("pass", "circle-check", "Passed"),
    "failed": Look("fail", "circle-x", "Failed"),
    "inconclusive": Look("warn", "circle-question-mark", "Inconclusive"),
    "pending": Look("info", "circle-dashed", "Pending"),
    "missing": Look("idle", "circle", "No evidence yet"),
    "starting": Look("info", "hourglass", "Starts by itself"),
    "stale": Look("warn", "clock-alert", "Stale"),
    "error": Look("fail", "triangle-alert", "Error"),
    "queued": Look("idle", "clock", "Queued"),
    "running": Look("info", "loader-circle", "Running", is_moving=True),
    "judging": Look("info", "loader-circle", "Working out the verdict", is_moving=True),
    "done": Look("pass", "circle-check", "Done"),
    "cancelled": Look("idle", "ban", "Cancelled"),
    "reported": Look("info", "info", "Reported only"),
    # promotions
    "open": Look("accent", "git-pull-request", "Open"),
    "scheduled": Look("info", "calendar-clock", "Scheduled"),
    "suspended": Look("warn", "hourglass", "Suspended"),
    "applied": Look("pass", "rocket", "Promoted"),
    "closed": Look("idle", "circle-slash", "Closed"),
    "expired": Look("idle", "clock-alert", "Expired"),
    "superseded": Look("idle", "layers", "Superseded"),
    "ready": Look("pass", "circle-check", "Ready to promote"),
    "blocked": Look("fail", "octagon-x", "Blocked"),
    # levels of a blocker
    "hard": Look("fail", "octagon-x", "Cannot be overridden"),
    "soft": Look("warn", "circle-alert", "Blocks"),
    "advisory": Look("info", "info", "To know"),
    # votes
    "approved": Look("pass", "circle-check", "Approved"),
    "changes_requested": Look("fail", "circle-x", "Changes requested"),
    "valid": Look("pass", "circle-check", "Counts"),
    "ineligible": Look("idle", "circle-slash", "Does not count"),
    "withdrawn": Look("idle", "circle-slash", "Taken back"),
    # deployments
    "promotion": Look("pass", "rocket", "Promoted"),
    "rollback": Look("warn", "undo-2", "Rolled back"),
    "withdrawal": Look("idle", "circle-minus", "Taken out"),
    "live": Look("pass", "circle-check", "Live"),
    # versions, keys, members
    "yanked": Look("fail", "ban", "Yanked"),
    "quarantined": Look("warn", "shield-alert", "Quarantined"),
    "archived": Look("idle", "archive", "Archived"),
    "frozen": Look("info", "snowflake", "Frozen"),
    "active": Look("pass", "circle-check", "Active"),
    "revoked": Look("idle", "ban", "Revoked"),
    "stopped": Look("fail", "circle-slash", "Stopped"),
    "paused": Look("idle", "circle-slash", "Paused"),
    "disabled": Look("fail", "triangle-alert", "Disabled"),
    "deactivated": Look("idle", "circle-slash", "Deactivated"),
    # contract changes
    "breaking": Look("fail", "triangle-alert", "Breaking"),
    "compatible": Look("pass", "circle-check", "Compatible"),
    "notice": Look("info", "info", "Notice"),
}


@register.simple_tag
@lru_cache(maxsize=1024)
def icon(name: str, size: str = "", label: str = "") -> SafeString:
    """A drawing of the vendored sprite; hidden from screen readers unless it has a `label`."""
    reading = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    extent = format_html(' data-size="{}"', size) if size else ""
    address = static("vendor/icons.svg")
    return format_html('<svg class="icon" {}{}><use href="{}#{}"></use></svg>', reading, extent, address, name)


def look(state: str) -> Look:
    """How a state is shown; an unknown one is shown by its own name."""
    known = LOOKS.get(str(state))
    return known or Look("idle", "circle", str(state).replace("_", " ").capitalize())


@register.simple_tag
@lru_cache(maxsize=1024)
def status(state: str, word: str = "", *, pill: bool = False) -> SafeString:
    """A state as icon, word and colour; `word` replaces the usual word."""
    shown = look(state)
    return format_html(
        '<span class="status{}" data-tone="{}"{}>{}<span class="status-word">{}</span></span>',
        " pill" if pill else "",
        shown.tone,
        SafeString(" data-moving") if shown.is_moving else "",
        icon(shown.icon),
        word or shown.word,
    )


@register.filter
def tone(state: str) -> str:
    """The tone of a state, for `data-tone`."""
    return look(state).tone


@register.filter
def state_icon(state: str) -> str:
    """The name of a state's icon."""
    return look(state).icon


@register.filter
def state_word(state: str) -> str:
    """The usual word for a state."""
    return look(state).word


@register.simple_tag
def environment(name: str, color: str = "") -> SafeString:
    """An environment's chip: its colour and its name."""
    return format_html('<span class="env" data-color="{}"><i class="env-mark"></i>{}</span>', color, name)


@register.simple_tag(takes_context=True)
def environment_named(context: template.Context, name: str) -> SafeString:
    """The chip of the environment that has that name, by what the side navigation knows of it; the bare name of an archived one."""
    places = context.get("places")
    known = places().get(name) if places else None
    return environment(known.label, known.color) if known else format_html("{}", name)


@register.simple_tag
@lru_cache(maxsize=4096)
def person(name: str, *, mark_only: bool = False) -> SafeString:
    """A person's initials on their own colour, and their name."""
    words = [word for word in name.replace("@", " ").replace(".", " ").split() if word[0].isalnum()]
    initials = "".join(word[0] for word in words[:2]) or "?"
    color = PALETTE[zlib.crc32(name.encode()) % len(PALETTE)]
    mark = format_html('<span class="avatar" data-color="{}" aria-hidden="true">{}</span>', color, initials)
    if mark_only:
        return format_html('<span class="person" title="{}">{}<span class="sr-only">{}</span></span>', name, mark, name)
    return format_html('<span class="person">{}{}</span>', mark, name)


STEPS = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (30 * 86_400, 86_400, "d"))


def distance(span: timedelta) -> str:
    """A length of time in its largest fitting unit: `4 min`, `3 h`, `12 d`."""
    seconds = int(abs(span.total_seconds()))
    for below, unit, name in STEPS:
        if seconds < below:
            return f"{seconds // unit} {name}"
    return f"{seconds // 86_400} d"


@register.simple_tag
def ago(value: datetime | None, *, empty: str = "never") -> SafeString:
    """How long ago (or in how long) as a `<time>`; the page shows the exact time in the reader's own zone."""
    if value is None:
        return format_html('<span class="quiet-text">{}</span>', empty)
    span = timezone.now() - value
    if abs(span) < timedelta(seconds=10):
        words = "just now"
    elif abs(span) > timedelta(days=45):
        words = f"{timezone.localtime(value):%-d %b %Y}"
    else:
        words = f"{distance(span)} ago" if span > timedelta(0) else f"in {distance(span)}"
    return time_element(value, words)


@register.simple_tag
def moment(value: datetime | None, *, empty: str = "-") -> SafeString:
    """The exact time in the zone the reader chose; for those who did not, in UTC until the page puts it into the browser's."""
    if value is None:
        return format_html('<span class="quiet-text">{}</span>', empty)
    return time_element(value, f"{timezone.localtime(value):%-d %b %Y, %H:%M %Z}", exact=True)


def time_element(value: datetime, words: str, *, exact: bool = False) -> SafeString:
    """`<time>` with the machine's form, the words shown and the exact time as a title."""
    utc = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-when="{}">{}</time>',
        f"{utc:%Y-%m-%dT%H:%M:%SZ}",
        f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S %Z}",
        "exact" if exact else "ago",
        words,
    )


@register.simple_tag
def query(**parameters: object) -> str:
    """A query string of just these parameters; `querystring` changes the one of the page instead."""
    return f"?{urlencode(parameters)}"


@register.simple_tag
def manage(command: str, *values: str) -> str:
    """A management command as it is typed on this server; values are quoted for a shell where they must be."""
    return " ".join([settings.MANAGE_COMMAND, command, *map(shlex.quote, values)])


@register.filter
def as_text(value: object) -> str:
    """A text as it is, anything else as JSON in the author's order."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def plainly(value: object) -> str:
    """A rule's value for a reader: yes and no, none for an empty list, anything else as `as_text`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value == [] else as_text(value)


@register.filter
def members(value: Mapping[str, object]) -> list[tuple[str, object]]:
    """An object's members in order, also those called as a method is."""
    return list(value.items())


@register.filter
def spaced(name: str) -> str:
    """A name in words: `made_required` as `made required`."""
    return name.replace("_", " ")


@register.filter
def part_words(path: str) -> str:
    """A part of a prompt in words: `messages[0]` as `message 1`."""
    return re.sub(r"\Amessages\[(\d+)\]", lambda found: f"message {int(found[1]) + 1}", path)


@register.filter
def short(digest: str) -> str:
    """The first twelve digits of a digest: enough to tell two apart."""
    return digest[:12]


@register.filter
def visible(text: str) -> SafeString:
    """Escaped text in which characters that a reader cannot see stand as their names."""
    if text.isascii() and text.isprintable():
        return format_html("{}", text)
    return format_html_join("", "{}", ((piece,) for piece in visible_pieces(text)))


@register.filter
def moments(text: SafeString) -> SafeString:
    """Escaped text in which a moment as programs write it (`2030-01-31 09:00 UTC`) stands in the reader's zone."""
    return SafeString(MOMENT.sub(_in_zone, text))


def _in_zone(found: re.Match[str]) -> str:
    try:
        return moment(datetime.strptime(found[0], "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC))
    except ValueError:  # somebody wrote a day that there is not
        return found[0]


@register.filter
def sentence(text: str) -> SafeString:
    """`visible`, for what the server says itself: a number and its unit stay on one line."""
    together = (UNIT.sub("\N{NO-BREAK SPACE}", one) if type(one) is str else one for one in visible_pieces(text))
    return format_html_join("", "{}", ((one,) for one in together))


def visible_pieces(text: str) -> Iterable[str | SafeString]:
    """Runs of ordinary text, and a mark for each stretch of an invisible character, in order."""
    for stretch, name in pieces(text):
        yield invisible_mark(stretch, name) if name else stretch


def invisible_mark(stretch: str, name: str) -> SafeString:
    """The mark that stands for an invisible stretch: its name, with the code point as a title; what is copied is the stretch."""
    code = " ".join(f"{ord(character):x}" for character in stretch)
    return format_html(
        '<span class="invisible" title="{}" data-code="{}">{}</span>', code_point(stretch[0]), code, name
    )
