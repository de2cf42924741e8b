"""The main forms, sent with nothing filled in: the page again, which says at each field what is missing."""

import re

import pytest

from tests.builders import Cast
from tests.pages.conftest import SignedIn

FORMS = {
    "/w/acme/new": "name",
    "/w/acme/new-suite": "title",
    "/w/acme/settings/environments": "name",
    "/w/acme/settings/keys": "name",
    "/w/acme/settings/providers": "base_url",
    "/w/acme/settings/invitations": "role",
    "/w/acme/settings/webhooks": "url",
}


@pytest.mark.parametrize(("address", "field"), FORMS.items())
def test_form__sent_empty__is_the_page_again_with_each_mistake_at_its_field(
    cast: Cast, as_: SignedIn, address: str, field: str
) -> None:
    answer = as_(cast.olga).post(address, {"sent": "1", field: ""})
    page = answer.content.decode()

    assert answer.status_code == 422
    assert page.count("<title>") == 1 and page.count("<h1") == 1 and " style=" not in page
    form = page.partition(f'action="{address}"')[2] or page
    control = re.search(rf'<(?:input|select|textarea)[^>]* name="{field}"[^>]*>', form)
    assert control and 'aria-invalid="true"' in control[0], control
    described = re.search(r'aria-describedby="([^"]*)"', control[0])
    told = [one for one in (described[1] if described else "").split() if one.endswith("_error")]
    assert told and re.search(rf'id="{told[0]}"><p class="field-error">', page), "what is wrong is read with its field"
