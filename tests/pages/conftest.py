"""A browser without JavaScript, signed in as one of the cast."""

from collections.abc import Callable

import pytest
from django.test import Client

from registry.core.actor import Actor
from registry.core.models import Member
from tests.builders import Cast, signed_in

type SignedIn = Callable[[Actor], Client]


@pytest.fixture
def as_(cast: Cast) -> SignedIn:
    """`as_(cast.ada).get(…)`: a client with that person's session."""

    def sign_in(actor: Actor) -> Client:
        return signed_in(Client(), Member.objects.select_related("user").get(pk=actor.member_id).user)

    return sign_in
