"""Answers in memory are those of their place, and the bytes that were filled in: whatever else is there is dropped."""

from dataclasses import replace

from prompts_app.delivery.bodies import Entry, etag_of
from prompts_app.delivery.memory import Held, Place, Shelf, held

PLACES: list[Place] = [(1, "production", f"p{number}") for number in range(20)]


def answer(place: Place) -> Held:
    """What is live there."""
    body = f"what is live of {place[2]}".encode()
    return held(Entry(body, etag_of(body), 1), place)


def full() -> Shelf:
    """All places held."""
    shelf = Shelf(1_000_000)
    for place in PLACES:
        shelf.put(place, answer(place))
    return shelf


def test_answer__of_another_place__is_dropped_and_never_given():
    shelf = full()
    shelf._held[PLACES[3]] = answer(PLACES[4])
    assert shelf.get(PLACES[3]) is None and shelf.get(PLACES[4]) is not None
    assert (len(shelf), shelf.counts.damaged) == (19, 1)


def test_answer__whose_bytes_have_changed__is_found_in_turn_and_dropped():
    shelf = full()
    good = shelf._held[PLACES[0]]
    assert good.entry is not None
    shelf._held[PLACES[0]] = replace(good, entry=replace(good.entry, body=b"something else"))
    for _ in range(len(PLACES)):
        shelf.check(1)
    assert (len(shelf), shelf.counts.damaged) == (19, 1)
    assert shelf.get(PLACES[0]) is None
    shelf.check(10_000_000)
    assert shelf.counts.damaged == 1


def test_check__of_what_is_held__leaves_the_order_of_use_as_it_was():
    shelf = full()
    before = list(shelf._held)
    shelf.check(10_000_000)
    assert list(shelf._held) == before
