"""A browser without JavaScript, signed in as one of the cast."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from registry.core.actor import Actor
from registry.core.models import Member
from tests.builders import Cast, signed_in
from tests.pages.evaluated import Evaluated, evaluated

type SignedIn = Callable[[Actor], Client]


@pytest.fixture
def as_(cast: Cast) -> SignedIn:
    """`as_(cast.ada).get(…)`: a client with that person's session."""

    def sign_in(actor: Actor) -> Client:
        return signed_in(Client(), Member.objects.select_related("user").get(pk=actor.member_id).user)

    return sign_in


@pytest.fixture
def world(cast: Cast) -> Iterator[Evaluated]:
    """A workspace in which suites have run."""
    with evaluated(cast) as made:
        yield made
