"""What may sign a delivery, and what may verify one? Texts -> keys, as Standard Webhooks writes them.

    whsec_<base64>   a secret of both sides        signs and verifies `v1`   (HMAC-SHA256)
    whsk_<base64>    our half of a key pair        signs `v1a`               (Ed25519)
    whpk_<base64>    the listener's half of it     verifies `v1a`

The prefix says which it is, so one list may hold them all. A text that is none is named, never shown.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass, field

SECRET, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, by the specification."""
HALF = 32
"""Bytes of a public key, and of the seed that a private key is made of (RFC 8032)."""


class BadSecret(ValueError):
    """A text is no key that can do what it is for. What it says never holds the text."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Verifies `v1a`."""

    key: bytes

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether the private half signed this very content."""
        # Here, not above: it takes 7 MiB, which only who has a key pair shall pay.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, content)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Signs `v1a`. Its public half is all that is ever shown of it, and tells it from another."""

    seed: bytes = field(repr=False)
    public: PublicKey

    @classmethod
    def of(cls, seed: bytes) -> PrivateKey:
        """The one that is made of a seed of 32 bytes."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        return cls(seed, PublicKey(public))

    def signing(self) -> Callable[[bytes], bytes]:
        """Content -> its signature, of 64 bytes."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign


SigningKey = bytes | PrivateKey
"""A secret's raw bytes, or a private key."""
VerifyingKey = bytes | PublicKey


def parse_secret(text: str) -> bytes:
    """The raw key of `whsec_<base64>`; raises BadSecret."""
    key = _decoded(text, SECRET, "secret")
    if not SHORTEST <= len(key) <= LONGEST:
        raise BadSecret(f"secret of {len(key)} bytes, expected {SHORTEST} to {LONGEST}")
    return key


def parse_signing_key(text: str) -> SigningKey:
    """What `whsec_<base64>` or `whsk_<base64>` signs with; raises BadSecret."""
    if text.startswith(SECRET):
        return parse_secret(text)
    if text.startswith(PUBLIC):
        raise BadSecret(f"public key, which only verifies, expected its private half, {PRIVATE}<base64>")
    return _private(_decoded(text, PRIVATE, "private key", SECRET))


def parse_verifying_key(text: str) -> VerifyingKey:
    """What `whsec_<base64>` or `whpk_<base64>` verifies with; raises BadSecret."""
    if text.startswith(SECRET):
        return parse_secret(text)
    if text.startswith(PRIVATE):
        raise BadSecret(f"private key, which is the sender's alone, expected its public half, {PUBLIC}<base64>")
    key = _decoded(text, PUBLIC, "public key", SECRET)
    if len(key) != HALF:
        raise BadSecret(f"public key of {len(key)} bytes, expected {HALF}")
    return PublicKey(key)


def spelt(key: SigningKey | PublicKey) -> str:
    """The text of a key: to be written where its kind may be seen, and nowhere else."""
    match key:
        case PrivateKey(seed, public):
            return PRIVATE + b64encode(seed + public.key).decode()
        case PublicKey(raw):
            return PUBLIC + b64encode(raw).decode()
        case raw:
            return SECRET + b64encode(raw).decode()


def _private(halves: bytes) -> PrivateKey:
    if len(halves) != 2 * HALF:
        raise BadSecret(f"private key of {len(halves)} bytes, expected {2 * HALF}: its seed, then its public half")
    key = PrivateKey.of(halves[:HALF])
    # A key that was cut and pasted would sign what no listener can verify.
    if key.public.key != halves[HALF:]:
        raise BadSecret("private key that ends in the public half of another, expected both halves of one pair")
    return key


def _decoded(text: str, prefix: str, kind: str, otherwise: str = "") -> bytes:
    """The bytes behind a prefix. `otherwise` is the other prefix that might have stood there."""
    if not text.startswith(prefix):
        prefixes = [otherwise, prefix] if otherwise else [prefix]
        missing, expected = " or ".join(prefixes), " or ".join(f"{each}<base64>" for each in prefixes)
        raise BadSecret(f"secret of {len(text)} characters without the prefix {missing}, expected {expected}")
    try:
        return b64decode(text.removeprefix(prefix), validate=True)
    except (NotBase64, ValueError):
        raise BadSecret(f"{kind} is not base64 after {prefix}, expected {prefix}<base64>") from None
