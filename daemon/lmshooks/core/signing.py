"""How does a listener know that we sent it? Id, timestamp, body and keys -> headers, and the check of them.

Standard Webhooks: `webhook-signature` is a list, parted by spaces, of `<scheme>,<base64>`: what a key makes of
`<id>.<timestamp>.<body>`, HMAC-SHA256 under `v1` with a secret, Ed25519 under `v1a` with a private key. There is one
entry a key, in their order, so that both sides of a rotation are content, and listeners of either kind.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from binascii import b2a_base64
from collections.abc import Iterable, Mapping, Sequence

from lmshooks.core.keys import PrivateKey, PublicKey, SigningKey, VerifyingKey

BLOCK = 64
"""Bytes that SHA-256 takes in at once: to so many an HMAC's key is padded."""
TOLERANCE = 300
"""Seconds between a listener's clock and the timestamp of a delivery."""


class Unverified(Exception):
    """A request was not signed with any of the keys, or is not of now. What it says holds no secret."""


class Signer:
    """Signs with the same keys again and again: what of an HMAC depends on the key alone (RFC 2104) is done once."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keyed = [(_keyed(key, 0x36), _keyed(key, 0x5C)) for key in keys if isinstance(key, bytes)]
        self._signing = [(place, key.signing()) for place, key in enumerate(keys) if isinstance(key, PrivateKey)]
        """The private keys, first to last, with the place of each among all the keys."""

    def signature(self, delivery_id: bytes, timestamp: int, body: bytes) -> bytes:
        """What `webhook-signature` says: an entry a key. `timestamp` is in seconds since the epoch."""
        content = b"%b.%d.%b" % (delivery_id, timestamp, body)
        entries = []
        for inside, outside in self._keyed:
            inner, outer = inside.copy(), outside.copy()
            inner.update(content)
            outer.update(inner.digest())
            entries.append(b"v1," + b2a_base64(outer.digest(), newline=False))
        for place, signing in self._signing:
            entries.insert(place, b"v1a," + b2a_base64(signing(content), newline=False))
        return b" ".join(entries)


def _keyed(secret: bytes, pad: int) -> hashlib._Hash:
    """A hash that has taken in the key, padded to a block: the inner (0x36) or the outer one (0x5c) of an HMAC."""
    key = secret if len(secret) <= BLOCK else hashlib.sha256(secret).digest()
    return hashlib.sha256(bytes([byte ^ pad for byte in key.ljust(BLOCK, b"\0")]))


def sign(keys: Sequence[SigningKey], delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a delivery, signed with each key. `timestamp` is in seconds since the epoch."""
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": Signer(keys).signature(delivery_id.encode(), timestamp, body).decode(),
    }


def verify(
    keys: Sequence[VerifyingKey], headers: Mapping[str, str], body: bytes, now: float, tolerance: float = TOLERANCE
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
    content = f"{sent['webhook-id']}.{stamp}.".encode("utf-8", "surrogateescape") + body
    given: dict[str, list[str]] = {}
    for entry in sent["webhook-signature"].split(" "):
        scheme, _, signature = entry.partition(",")
        given.setdefault(scheme, []).append(signature)
    ours = sorted({_scheme(key) for key in keys}) or ["v1"]
    if given.keys().isdisjoint(ours):
        expected = " or ".join(f"{scheme},<base64>" for scheme in ours)
        raise Unverified(f"webhook-signature has no {' or '.join(ours)} entry, expected {expected}")
    matched = False
    for key in keys:  # all of them: how long it takes says nothing of which it was
        matched |= _fits(key, content, given.get(_scheme(key), ()))
    if not matched:
        raise Unverified("no signature matches, expected one made with a secret of this listener over these very bytes")


def _scheme(key: VerifyingKey) -> str:
    return "v1a" if isinstance(key, PublicKey) else "v1"


def _fits(key: VerifyingKey, content: bytes, signatures: Iterable[str]) -> bool:
    """Whether one of the signatures, in base64, is by this key."""
    if isinstance(key, PublicKey):
        return any(key.verifies(content, _raw(signature)) for signature in signatures)
    expected = b64encode(hmac.digest(key, content, "sha256"))
    fits = False
    for signature in signatures:
        fits |= hmac.compare_digest(expected, signature.encode("utf-8", "surrogateescape"))
    return fits


def _raw(signature: str) -> bytes:
    """The bytes of a signature; none, which no key has made, where it is not base64."""
    try:
        return b64decode(signature, validate=True)
    except (NotBase64, ValueError):
        return b""
