"""What this server is to passkeys (WebAuthn's relying party): its id and origin, what it asks, and which answers it takes.

Id and origin come from PUBLIC_URL alone, never from what a request says of itself.
"""

import ipaddress
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

NAME = "Greenroom"
TIMEOUT_S = 300
CHALLENGE_BYTES, HANDLE_BYTES = 32, 32
LONGEST_ANSWER, LONGEST_ID = 20_000, 1023  # characters of JSON; bytes, which is the standard's own limit
DEFAULT_PORTS = {"https": 443, "http": 80}


class AnswerRefused(Exception):
    """What came back is no answer to what was asked; why is nobody's business but the log's."""


@dataclass(frozen=True)
class Ceremony:
    """What one browser was asked, once: `handle` is the account's name on devices, where one is being registered."""

    challenge: bytes
    handle: str = ""


@dataclass(frozen=True)
class Credential:
    """A passkey as the browser is told of it: its id in base64url, and how it was reached when it was made."""

    id: str
    transports: tuple[str, ...]


@dataclass(frozen=True)
class Registered:
    """A passkey just made; `public_key` is a COSE key."""

    credential: Credential
    public_key: bytes
    sign_count: int


@dataclass(frozen=True)
class Assertion:
    """Who an answer says it is from, before any of it is checked; `handle` is empty where the device did not say."""

    text: str
    credential_id: str
    handle: str


def is_offered() -> bool:
    """Whether passkeys can be used here: they are bound to a name, and an IP address is none."""
    try:
        ipaddress.ip_address(relying_party_id())
    except ValueError:
        return True
    return False


def relying_party_id() -> str:
    """The host of PUBLIC_URL, to which every passkey of this server is bound."""
    return urlsplit(settings.PUBLIC_URL).hostname or ""


def origin() -> str:
    """Scheme, host and port of PUBLIC_URL as browsers write them."""
    parts = urlsplit(settings.PUBLIC_URL)
    is_usual = parts.port in {None, DEFAULT_PORTS.get(parts.scheme)}
    return f"{parts.scheme}://{parts.hostname}" if is_usual else f"{parts.scheme}://{parts.hostname}:{parts.port}"


def new_ceremony(*, handle: str = "") -> Ceremony:
    """A challenge that nobody was asked before."""
    return Ceremony(secrets.token_bytes(CHALLENGE_BYTES), handle)


def new_handle() -> str:
    """A name for an account on devices, which says nothing about the person."""
    return bytes_to_base64url(secrets.token_bytes(HANDLE_BYTES))


def creation_options(ceremony: Ceremony, *, account: str, person: str, known: Iterable[Credential]) -> str:
    """What `navigator.credentials.create` is given, as JSON: the device makes sure of its owner, and keeps the key by itself if it can."""
    options = generate_registration_options(
        rp_id=relying_party_id(),
        rp_name=NAME,
        user_id=base64url_to_bytes(ceremony.handle),
        user_name=account,
        user_display_name=person,
        challenge=ceremony.challenge,
        timeout=TIMEOUT_S * 1000,
        exclude_credentials=[_descriptor(one) for one in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )
    return options_to_json(options)


def request_options(ceremony: Ceremony, *, known: Iterable[Credential]) -> str:
    """What `navigator.credentials.get` is given, as JSON; with none `known` the device offers the accounts that it keeps."""
    options = generate_authentication_options(
        rp_id=relying_party_id(),
        challenge=ceremony.challenge,
        timeout=TIMEOUT_S * 1000,
        allow_credentials=[_descriptor(one) for one in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def read_registration(text: str, ceremony: Ceremony) -> Registered:
    """The passkey that was made in answer to this ceremony; raises AnswerRefused."""

    def read() -> Registered:
        given = parse_registration_credential_json(_bounded(text))
        _refuse_framed(given.response.client_data_json)
        made = verify_registration_response(
            credential=given,
            expected_challenge=ceremony.challenge,
            expected_rp_id=relying_party_id(),
            expected_origin=origin(),
            require_user_verification=True,
        )
        if len(made.credential_id) > LONGEST_ID or made.credential_id != given.raw_id:
            raise AnswerRefused("another id than the one that was made")
        transports = tuple(one.value for one in given.response.transports or ())
        credential = Credential(bytes_to_base64url(made.credential_id), transports)
        return Registered(credential, made.credential_public_key, made.sign_count)

    return _strictly(read)


def read_assertion(text: str) -> Assertion:
    """Who an answer is from, by its own word; raises AnswerRefused."""

    def read() -> Assertion:
        given = parse_authentication_credential_json(_bounded(text))
        handle = given.response.user_handle
        return Assertion(text, bytes_to_base64url(given.raw_id), bytes_to_base64url(handle) if handle else "")

    return _strictly(read)


def check_assertion(assertion: Assertion, ceremony: Ceremony, *, public_key: bytes, sign_count: int) -> int:
    """Hold an answer against what was asked and against its passkey; returns the new count of signatures.

    Raises AnswerRefused, also where the device made sure of nobody, or its count did not rise: then there are two of it.
    """

    def check() -> int:
        given = parse_authentication_credential_json(assertion.text)
        _refuse_framed(given.response.client_data_json)
        checked = verify_authentication_response(
            credential=given,
            expected_challenge=ceremony.challenge,
            expected_rp_id=relying_party_id(),
            expected_origin=origin(),
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
        return checked.new_sign_count

    return _strictly(check)


def encoded(raw: bytes) -> str:
    """Bytes as text, the way WebAuthn writes them."""
    return bytes_to_base64url(raw)


def decoded(text: str) -> bytes:
    """What `encoded` was given."""
    return base64url_to_bytes(text)


def _strictly[Read](read: Callable[[], Read]) -> Read:
    """The library's parsers raise whatever they stumble over in what strangers sent: all of it is the same refusal."""
    try:
        return read()
    except AnswerRefused:
        raise
    except Exception as why:
        raise AnswerRefused(type(why).__name__) from why


def _bounded(text: str) -> str:
    if len(text) > LONGEST_ANSWER:
        raise AnswerRefused("too long")
    return text


def _refuse_framed(client_data: bytes) -> None:
    """A page of somebody else's around ours is none of the places where we ask."""
    if parse_client_data_json(client_data).cross_origin:
        raise AnswerRefused("asked inside another page")


def _descriptor(one: Credential) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(name) for name in one.transports]
    return PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.id), transports=transports or None)
