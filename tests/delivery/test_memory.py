"""Answers in memory are those of their place, and the bytes that were filled in: whatever else is there is dropped."""

from dataclasses import replace

import pytest

from prompts_app.delivery.bodies import Entry, etag_of
from prompts_app.delivery.memory import MOST_SPARED, Held, Place, Shelf, held

PLACES: list[Place] = [(1, "production", f"p{number}") for number in range(20)]


def answer(place: Place) -> Held:
    """What is live there."""
    body = f"what is live of {place[2]}".encode()
    return held(place, Entry(body, etag_of(body), 1))


def full() -> Shelf:
    """All places held."""
    shelf = Shelf(1_000_000)
    for place in PLACES:
        shelf.put(answer(place))
    return shelf


@pytest.mark.injects("F31 memory that holds another place's answer")
def test_answer__of_another_place__is_dropped_and_never_given():
    shelf = full()
    shelf._held[PLACES[3]] = answer(PLACES[4])
    assert shelf.get(PLACES[3]) is None and shelf.get(PLACES[4]) is not None
    assert (len(shelf), shelf.counts.damaged) == (19, 1)


@pytest.mark.injects("F31 memory whose bytes have changed")
def test_answer__whose_bytes_have_changed__is_found_in_turn_and_dropped():
    shelf = full()
    shelf._held[PLACES[0]] = replace(shelf._held[PLACES[0]], body=b"something else")
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


def test_room__is_made_by_the_oldest__but_what_was_asked_for_comes_round_again():
    shelf = full()
    shelf.most_bytes = shelf.bytes
    assert shelf.get(PLACES[0]) is not None and shelf.get(PLACES[2]) is not None
    for name in ("pa", "pb", "pc"):
        shelf.put(answer((1, "production", name)))
    assert [place in shelf._held for place in PLACES[:6]] == [True, False, True, False, False, True]
    assert (shelf.counts.evictions, shelf.bytes <= shelf.most_bytes) == (3, True)


def test_room__where_everything_was_asked_for__is_made_all_the_same():
    shelf = Shelf(100_000_000)
    places = [(1, "production", f"p{number}") for number in range(10 * MOST_SPARED)]
    for place in places:
        shelf.put(answer(place))
        shelf.get(place)
    shelf.most_bytes = shelf.bytes
    shelf.put(answer((1, "staging", "new")))
    assert shelf.counts.evictions == 1 and shelf.get((1, "staging", "new")) is not None


def test_messages__of_the_whole_answer_and_of_none_of_it__say_the_same_about_it():
    whole, known = answer(PLACES[0]).full(), answer(PLACES[0]).known()
    about = dict(known[0]["headers"])
    assert about.keys() == {b"etag", b"cache-control", b"vary", b"x-content-type-options", b"x-registry-revision"}
    assert dict(whole[0]["headers"]) == {
        **about, b"content-type": b"application/json", b"content-length": b"%d" % len(whole[1]["body"])
    }  # fmt: skip
    unversioned = held(PLACES[0], Entry(b"{}", etag_of(b"{}"), 3), is_versioned=False)
    for message, _ in (unversioned.full(), unversioned.known()):
        assert dict(message["headers"])[b"cache-control"] == b"private, no-cache"
        assert b"x-registry-revision" not in dict(message["headers"])
