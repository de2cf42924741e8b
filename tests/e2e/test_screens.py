"""Every page in a real browser, wide and narrow, light and dark: accessible, within its width, light, and without complaint."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from registry.core.actor import Actor
from tests.e2e.conftest import Seat, chromium
from tests.e2e.measures import MOST_BYTES, WIDE, Scales, faults
from tests.screens import BY_NOBODY, REFUSED, SCREENS, STATES, WITH_EDITOR, House
from tests.servers import Web

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("browser")]

type Wrong = dict[str, list[str]]
type Named = tuple[str, str]


def test_screens__each_of_them__is_accessible_fits_weighs_little_and_complains_of_nothing(
    house: House, web: Web
) -> None:
    looked_at = [(name, house.address(pattern)) for name, pattern in (SCREENS | STATES).items()]
    signed_in = [one for one in looked_at if one[0] not in BY_NOBODY]
    nobody = [one for one in looked_at if one[0] in BY_NOBODY]
    owner = house.cast.olga

    # Two browsers share the pages: measuring one keeps one core busy.
    with ThreadPoolExecutor(2) as pool:
        shares = [
            pool.submit(_look, web, owner, signed_in[0::2], nobody),
            pool.submit(_look, web, owner, signed_in[1::2]),
        ]
        wrong = {name: found for share in shares for name, found in share.result().items()}
    assert wrong == {}, "\n".join(f"{name}\n  " + "\n  ".join(found) for name, found in wrong.items())


def _look(web: Web, owner: Actor, signed_in: Sequence[Named], nobody: Sequence[Named] = ()) -> Wrong:
    """What is wrong with some of the pages, in a browser of its own."""
    with chromium() as browser:
        try:
            wrong = _measured(Seat(browser, web, owner), signed_in)
            return wrong | (_measured(Seat(browser, web), nobody) if nobody else {})
        finally:
            connection.close()  # while the browser's loop runs: without it Django has another connection for this thread


def _measured(seat: Seat, pages: Sequence[Named]) -> Wrong:
    scales = Scales.under(seat.page)
    wrong: Wrong = {}
    for name, address in pages:
        scales.read()
        seat.page.set_viewport_size({"width": WIDE, "height": 900})
        page = seat.open(address)
        page.wait_for_load_state("load")
        weight = scales.read()
        found = list(faults(page))
        if weight > MOST_BYTES and name not in WITH_EDITOR:
            found.append(f"weighs {weight:,} bytes")
        found += [said for said in seat.complaints if str(REFUSED.get(name, "none")) not in said]
        seat.complaints.clear()
        wrong |= {name: found} if found else {}
    return wrong
