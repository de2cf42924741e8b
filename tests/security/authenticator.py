"""A device that keeps passkeys, in software; what it answers can be spoiled in every way that a relying party has to notice."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ORIGIN = "http://localhost:8000"


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "===")


@dataclass
class Device:
    """One passkey on one device; `origin` is the page in front of it, and `count` how often it signed (0: it does not count)."""

    origin: str = ORIGIN
    rp_id: str = ""
    verifies: bool = True
    counts: bool = True
    says_who: bool = True
    framed: bool = False
    count: int = 0
    handle: str = ""
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: Mapping[str, Any]) -> str:
        """The answer to `navigator.credentials.create`."""
        self.handle = options["user"]["id"]
        client = self._client("webauthn.create", options["challenge"])
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        data = self._data(options["rp"]["id"], ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"attestationObject": encoded(attestation), "transports": ["internal", "telepathy"]}
        return self._answer({**response, "clientDataJSON": encoded(client)})

    def get(self, options: Mapping[str, Any]) -> str:
        """The answer to `navigator.credentials.get`."""
        client = self._client("webauthn.get", options["challenge"])
        if self.counts:
            self.count += 1
        data = self._data(options["rpId"], 0)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {"authenticatorData": encoded(data), "signature": encoded(signature)}
        who = {"userHandle": self.handle} if self.says_who else {}
        return self._answer({**response, **who, "clientDataJSON": encoded(client)})

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.framed}
        return json.dumps(said).encode()

    def _data(self, rp_id: str, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies else 0)
        place = hashlib.sha256((self.rp_id or rp_id).encode()).digest()
        return place + bytes([flags]) + self.count.to_bytes(4, "big")

    def _answer(self, response: Mapping[str, Any]) -> str:
        mine = {"id": encoded(self.id), "rawId": encoded(self.id), "type": "public-key"}
        return json.dumps({**mine, "response": response, "clientExtensionResults": {}})
