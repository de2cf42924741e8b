"""The rules of one entry, whatever comes in whatever order: never back, never lost, never fresh without a word of the server."""

from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.content import Content
from greenroom.entries import Absent, Entry, Failed, Fetched, Outcome, Unchanged, adopt, judge
from greenroom.errors import NotLive, Unreachable


def fetched(epoch: int, revision: int) -> Outcome:
    return Fetched(Content("x", text="t", revision=revision, epoch=epoch), b"", f"{epoch}.{revision}", 10.0)


OUTCOMES = st.one_of(
    st.builds(fetched, st.integers(1, 3), st.integers(1, 6)),
    st.just(Unchanged(10.0)),
    st.just(Absent(NotLive("gone"))),
    st.builds(lambda told: Failed(Unreachable("away"), told), st.none() | st.floats(0, 100)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(OUTCOMES, max_size=25))
def test_entry__after_any_answers__is_the_newest_seen_or_gone(outcomes: list[Outcome]) -> None:
    entry, highest = Entry(), (-1, -1)
    for now, outcome in enumerate(outcomes):
        before, entry = entry, judge(entry, outcome, float(now), back_off=lambda longest: longest)
        if isinstance(outcome, Fetched):
            highest = max(highest, (outcome.content.epoch or 0, outcome.content.revision or 0))
        assert (entry.epoch, entry.revision) == highest
        if isinstance(outcome, Absent):
            assert entry.content is None and entry.is_absent
        if isinstance(outcome, Failed):
            assert (entry.content, entry.fresh_until) == (before.content, before.fresh_until)
            assert entry.next_try >= now + (outcome.retry_after_s or 0.0)
        if entry.content is not None:
            assert (entry.content.epoch, entry.content.revision) == highest
        if entry.fresh_until > now:
            assert entry.content is not None and entry.fresh_until <= now + 10.0


def test_entry__that_keeps_failing__is_asked_at_a_bounded_pace() -> None:
    entry, pauses = Entry(), []
    for _ in range(20):
        entry = judge(entry, Failed(Unreachable("away")), 100.0, back_off=lambda longest: longest)
        pauses.append(entry.next_try - 100.0)
    assert pauses[:3] == [0.5, 1.0, 2.0] and pauses == sorted(pauses) and pauses[-1] == 30.0


def test_entry__filled_by_a_copy__is_not_fresh_and_keeps_its_failures() -> None:
    entry = judge(Entry(), Failed(Unreachable("away")), 1.0, back_off=lambda longest: longest)
    filled = adopt(entry, Content("x", text="t", revision=4, epoch=2), "disk", '"e"', -50.0)
    assert (filled.origin, filled.revision, filled.failures, filled.fresh_until) == ("disk", 4, 1, 0.0)
    older = judge(filled, fetched(2, 3), 2.0, back_off=lambda longest: longest)
    assert older.content is filled.content
