"""How does a listener know that we sent it? Id, timestamp, body and secrets -> headers, and the check of them.

Standard Webhooks, version 1: `webhook-signature` is a list, parted by spaces, of `v1,<base64>`, where the base64 is the
HMAC-SHA256 of `<id>.<timestamp>.<body>`; there is one entry a secret, so that both sides of a rotation are content.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from binascii import b2a_base64
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, by the specification."""
BLOCK = 64
"""Bytes that SHA-256 takes in at once: to so many an HMAC's key is padded."""
TOLERANCE = 300
"""Seconds between a listener's clock and the timestamp of a delivery."""


class BadSecret(ValueError):
    """A text is no secret. What it says never holds the text."""


class Unverified(Exception):
    """A request was not signed with any of the secrets, or is not of now. What it says holds no secret."""


class Signer:
    """Signs with the same secrets again and again: what of an HMAC depends on the key alone (RFC 2104) is done once."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keyed = [(_keyed(secret, 0x36), _keyed(secret, 0x5C)) for secret in secrets]

    def signature(self, delivery_id: bytes, timestamp: int, body: bytes) -> bytes:
        """What `webhook-signature` says: an entry a secret. `timestamp` is in seconds since the epoch."""
        content = b"%b.%d.%b" % (delivery_id, timestamp, body)
        entries = []
        for inside, outside in self._keyed:
            inner, outer = inside.copy(), outside.copy()
            inner.update(content)
            outer.update(inner.digest())
            entries.append(b"v1," + b2a_base64(outer.digest(), newline=False))
        return b" ".join(entries)


def _keyed(secret: bytes, pad: int) -> hashlib._Hash:
    """A hash that has taken in the key, padded to a block: the inner (0x36) or the outer one (0x5c) of an HMAC."""
    key = secret if len(secret) <= BLOCK else hashlib.sha256(secret).digest()
    return hashlib.sha256(bytes([byte ^ pad for byte in key.ljust(BLOCK, b"\0")]))


def sign(secrets: Sequence[bytes], delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a delivery, signed with each secret. `timestamp` is in seconds since the epoch."""
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": Signer(secrets).signature(delivery_id.encode(), timestamp, body).decode(),
    }


def parse_secret(text: str) -> bytes:
    """The raw key of `whsec_<base64>`; raises BadSecret."""
    if not text.startswith(PREFIX):
        raise BadSecret(f"secret of {len(text)} characters without the prefix {PREFIX}, expected {PREFIX}<base64>")
    try:
        key = b64decode(text.removeprefix(PREFIX), validate=True)
    except (NotBase64, ValueError):
        raise BadSecret(f"secret is not base64 after {PREFIX}, expected {PREFIX}<base64>") from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise BadSecret(f"secret of {len(key)} bytes, expected {SHORTEST} to {LONGEST}")
    return key


def verify(
    secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float, tolerance: float = TOLERANCE
) -> None:
    """Whether a request's headers (of any case) sign its body; raises Unverified, which says why not."""
    sent = {name.lower(): value for name, value in headers.items()}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        if not sent.get(name):
            raise Unverified(f"no header {name}, expected a Standard Webhooks signature")
    stamp = sent["webhook-timestamp"]
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 20):
        raise Unverified("webhook-timestamp is not a number, expected seconds since the epoch")
    age = now - int(stamp)
    if abs(age) > tolerance:
        side = "old" if age > 0 else "in the future"
        raise Unverified(f"webhook-timestamp is {abs(age):.0f} s {side}, expected at most {tolerance:.0f} s")
    content = f"{sent['webhook-id']}.{stamp}.".encode() + body
    found = [entry[3:].encode() for entry in sent["webhook-signature"].split(" ") if entry.startswith("v1,")]
    if not found:
        raise Unverified("webhook-signature has no v1 entry, expected v1,<base64>")
    matched = False
    for secret in secrets:
        expected = b64encode(hmac.digest(secret, content, "sha256"))
        for signature in found:
            matched |= hmac.compare_digest(expected, signature)
    if not matched:
        raise Unverified("no signature matches, expected one made with a secret of this listener over these very bytes")
