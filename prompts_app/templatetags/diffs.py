"""The lines of a difference as HTML. They are many: one call draws a whole stretch of them."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from prompts_app.diff_rows import DrawnLine, DrawnPair, DrawnRow, Fold
from prompts_app.line_view import Line
from prompts_app.text_diff import Run
from registry.core.invisible import pieces
from registry.core.templatetags.ui import invisible_mark

register = template.Library()

LONG = 900  # characters of an unchanged stretch within a line from which on its middle is folded
LONG_CHANGE = 6_000  # the same of one that changed, which is to be read
KEPT = 240  # characters that stay at either end
MOST_HIDDEN = 200_000  # characters folded at once that are sent along
MARKS = {"insert": "+", "delete": "\N{MINUS SIGN}", "changed": "~", "same": ""}
SAID = {"insert": "added: ", "delete": "removed: ", "changed": "changed: ", "same": ""}


@register.simple_tag
def diff_rows(rows: Sequence[DrawnRow], path: str, key: str, say: str = "") -> SafeString:
    """Rows of one text; with `say`, the address that takes a comment on a line, each has a link to it."""
    return format_html_join("", "{}", ((_row(row, path, key, say),) for row in rows))


def _row(row: DrawnRow, path: str, key: str, say: str) -> SafeString:
    if isinstance(row, Fold):
        return _fold(row, path, key, say)
    old, new = (row.old, row.new) if isinstance(row, DrawnLine) else (_number(row.old), _number(row.new))
    side, number = ("new", new) if new is not None else ("old", old)
    anchor = f"{key}-{side}-{number}"
    content = _line(row, anchor) if isinstance(row, DrawnLine) else _pair(row, anchor)
    return format_html(
        '<div class="{}" id="{}" data-op="{}"{}>{}{}</div>',
        "dl" if isinstance(row, DrawnLine) else "dl two",
        anchor,
        row.op,
        format_html(' data-change tabindex="{}"', -1) if row.is_first else "",
        _say(say, path, side, number, is_first=row.is_first) if say else "",
        content,
    )


def _fold(fold: Fold, path: str, key: str, say: str) -> SafeString:
    lines = f"{fold.count:,} unchanged line{'' if fold.count == 1 else 's'}"
    if not fold.rows:
        return format_html('<p class="fold">{}</p>', lines)
    inside = diff_rows(fold.rows, path, key, say)
    return format_html('<details class="fold"><summary>{}: show</summary>{}</details>', lines, inside)


def _say(say: str, path: str, side: str, number: int | None, *, is_first: bool) -> SafeString:
    query = urlencode({"path": path, "side": side, "line": number or 0})
    return format_html(
        '<a class="say" href="{}&amp;{}#say" data-say="{}|{}|{}"{} aria-label="Say something about line {}">+</a>',
        say,
        query,
        path,
        side,
        number,
        "" if is_first else format_html(' tabindex="{}"', -1),
        number,
    )


def _line(row: DrawnLine, anchor: str) -> SafeString:
    return format_html(
        '{}{}<span class="dm" aria-hidden="true">{}</span><span class="dt"><span class="sr-only">{}</span>{}</span>',
        _numbered(row.old, anchor if row.new is None else ""),
        _numbered(row.new, anchor),
        MARKS[row.op],
        SAID[row.op],
        _runs(row.runs, is_whole=_is_whole(row.runs)),
    )


def _pair(row: DrawnPair, anchor: str) -> SafeString:
    return format_html(
        "{}{}{}{}",
        _numbered(_number(row.old), anchor if row.new is None else ""),
        _cell(row.old, "old", "" if row.op == "same" else "before: "),
        _numbered(_number(row.new), anchor),
        _cell(row.new, "new", "" if row.op == "same" else "after: "),
    )


def _cell(line: Line | None, side: str, said: str) -> SafeString:
    """One side of a pair; `said` is what a screen reader hears before a line that changed."""
    return format_html(
        '<span class="dt" data-side="{}"><span class="sr-only">{}</span>{}</span>',
        "none" if line is None else side if said else "",
        said if line else "",
        _runs(line.runs, is_whole=_is_whole(line.runs)) if line else "",
    )


def _numbered(number: int | None, anchor: str) -> SafeString:
    """A line's number, which is the address of the line where there is an anchor."""
    if number is None or not anchor:
        return format_html('<span class="dn">{}</span>', "" if number is None else number)
    return format_html('<a class="dn" href="#{}" tabindex="-1">{}</a>', anchor, number)


def _is_whole(runs: Sequence[Run]) -> bool:
    """Whether nothing of a line is on the other side too: it is marked as a line then, not word by word."""
    return len({run.op for run in runs}) == 1 and runs[0].op != "same"


def _number(line: Line | None) -> int | None:
    return line.number if line else None


def _runs(runs: Sequence[Run], *, is_whole: bool) -> SafeString:
    """A line's text. Where the whole line came or went, its words are not marked one by one, and its end is no change."""
    text = "".join(run.text for run in runs).removesuffix("\n")
    seen_up_to = len(text.rstrip(" \t"))
    parts: list[SafeString] = []
    place = 0
    for op, part in runs:
        shown = part.removesuffix("\n") if is_whole else part
        drawn = _cut(shown, LONG if op == "same" else LONG_CHANGE, seen_up_to - place, is_change=op != "same")
        element = "{}" if op == "same" or is_whole else "<ins>{}</ins>" if op == "insert" else "<del>{}</del>"
        parts.append(format_html(element, drawn))
        place += len(part)
    return format_html_join("", "{}", ((part,) for part in parts))


def _cut(text: str, most: int, trailing_from: int, *, is_change: bool) -> SafeString:
    """The text, or its ends around a middle that is folded."""
    if len(text) <= most:
        return _shown(text, trailing_from, is_change=is_change)
    start = text.rfind(" ", 0, KEPT) + 1 or KEPT
    end = text.find(" ", len(text) - KEPT)
    end = end if end > start else len(text) - KEPT
    hidden = text[start:end]
    count = f"{len(hidden):,} characters"
    middle = (
        format_html('<details class="cut"><summary>{}: show</summary>{}</details>', count, _shown(hidden, len(hidden)))
        if len(hidden) <= MOST_HIDDEN
        else format_html('<span class="cut">{}</span>', count)
    )
    head, tail = _shown(text[:start], start), _shown(text[end:], trailing_from - end, is_change=is_change)
    return format_html("{}{}{}", head, middle, tail)


def _shown(text: str, trailing_from: int, *, is_change: bool = False) -> SafeString:
    """Escaped text in which blanks are drawn that a reader would miss: tabs, those at a line's end, those that are all of
    a change, and what is invisible by its name."""
    edge = 0 if is_change and text.isspace() else max(trailing_from, 0)
    return format_html_join("", "{}", ((piece,) for piece in _marked(text, edge)))


def _marked(text: str, edge: int) -> Iterator[str | SafeString]:
    place = 0
    for stretch, name in pieces(text):
        if name:
            yield invisible_mark(stretch, name)
        else:
            seen = max(0, min(len(stretch), edge - place))
            for index, between in enumerate(stretch[:seen].split("\t")):
                if index:
                    yield _blank("\t", "tab")
                yield between
            yield from (_blank(blank, BLANKS.get(blank, "")) for blank in stretch[seen:])
        place += len(stretch)


BLANKS = {" ": "space", "\t": "tab", "\n": "line end"}


def _blank(blank: str, name: str) -> str | SafeString:
    return format_html('<span class="blank" data-blank="{}">{}</span>', name, "" if name == "line end" else blank)
