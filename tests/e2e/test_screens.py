"""Every page in a real browser, wide and narrow, light and dark: accessible, within its width, light, and without complaint."""

import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import Seat
from tests.e2e.measures import MOST_BYTES, Scales, faults
from tests.screens import BY_NOBODY, REFUSED, SCREENS, STATES, WITH_EDITOR, House
from tests.servers import Web

pytestmark = pytest.mark.e2e


def test_screens__each_of_them__is_accessible_fits_weighs_little_and_complains_of_nothing(
    house: House, web: Web, browser: Browser
) -> None:
    signed_in, nobody = Seat(browser, web, house.cast.olga), Seat(browser, web)
    wrong: dict[str, list[str]] = {}
    for seat in (signed_in, nobody):
        scales = Scales.under(seat.page)
        for name, pattern in (SCREENS | STATES).items():
            if (name in BY_NOBODY) is not (seat is nobody):
                continue
            scales.read()
            page = seat.open(house.address(pattern))
            page.wait_for_load_state("load")
            weight = scales.read()
            found = list(faults(page))
            if weight > MOST_BYTES and name not in WITH_EDITOR:
                found.append(f"weighs {weight:,} bytes")
            found += [said for said in seat.complaints if str(REFUSED.get(name, "none")) not in said]
            seat.complaints.clear()
            wrong |= {name: found} if found else {}
    assert wrong == {}, "\n".join(f"{name}\n  " + "\n  ".join(found) for name, found in wrong.items())
