"""Plainer names: what is proposed can be taken, and needs no care in an address."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts_app.content import is_prompt_name
from prompts_app.prompt_names import plain_name


@pytest.mark.parametrize(
    ("name", "plainer"),
    [
        ("Billing/Refund notes", "billing/refund-notes"),
        (" Billing / Refund  Notes! ", "billing/refund-notes"),
        ("Größe & Maß", "grosse-mass"),
        ("v1.0 Draft_b", "v1.0-draft_b"),
        ("\uff41\uff42", "ab"),
        ("support/Versions", ""),
        ("退款", ""),
        ("billing//x", ""),
        ("?", ""),
        ("..", ""),
    ],
)
def test_plain_name__of_what_people_type__is_near_it_or_none(name: str, plainer: str) -> None:
    assert plain_name(name) == plainer


@given(st.text(max_size=60))
def test_plain_name__of_any_text__is_a_name_that_reads_in_an_address_as_it_is(name: str) -> None:
    plain = plain_name(name)

    assert not plain or (is_prompt_name(plain) and quote(plain) == plain == plain.lower() == plain_name(plain))
