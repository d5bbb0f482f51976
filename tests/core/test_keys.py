"""A text is the key that its prefix says, or is named and never shown; and a key pair costs only who has one."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from lmshooks.core.keys import (
    BadSecret,
    PrivateKey,
    PublicKey,
    parse_secret,
    parse_signing_key,
    parse_verifying_key,
    spelt,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="


def written(prefix: str, raw: bytes) -> str:
    return prefix + base64.b64encode(raw).decode()


@pytest.mark.parametrize("size", [24, 64])
def test_a_secret_has_24_to_64_bytes(size: int) -> None:
    key = bytes(range(size))
    assert parse_secret(written("whsec_", key)) == key


def test_the_prefix_says_what_a_key_is() -> None:
    private = parse_signing_key(PRIVATE)
    assert isinstance(private, PrivateKey)
    assert private.public == parse_verifying_key(PUBLIC) == PublicKey(base64.b64decode(PUBLIC[5:]))
    assert parse_signing_key(SECRET) == parse_verifying_key(SECRET) == parse_secret(SECRET)


@pytest.mark.parametrize("text", [SECRET, PRIVATE])
def test_a_key_is_written_as_it_was_read(text: str) -> None:
    assert spelt(parse_signing_key(text)) == text
    assert spelt(PublicKey(base64.b64decode(PUBLIC[5:]))) == PUBLIC


def test_a_key_pair_is_one_of_rfc_8032() -> None:
    """Section 7.1, test 2."""
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    assert PrivateKey.of(seed).public.key == public
    signature = PrivateKey.of(seed).signing()(b"\x72")
    assert signature.hex().startswith("92a009a9f0d4cab8720e820b5f642540") and len(signature) == 64
    assert PublicKey(public).verifies(b"\x72", signature)
    assert not PublicKey(public).verifies(b"\x73", signature)
    assert not PublicKey(public).verifies(b"\x72", signature[:-1])


def test_a_private_key_shows_its_public_half_alone() -> None:
    key = PrivateKey.of(b"s" * 32)
    assert "ssss" not in repr(key) and repr(key.public) in repr(key)


BAD = [
    ("hunter2hunter2hunter2hunter2hunter2", "secret of 35 characters without the prefix whsec_"),
    ("whsec_hunter2!", "secret is not base64"),
    ("whsec_höchstgeheim", "secret is not base64"),
    (written("whsec_", b"h" * 23), "secret of 23 bytes, expected 24 to 64"),
    (written("whsec_", b"h" * 65), "secret of 65 bytes, expected 24 to 64"),
    ("", "secret of 0 characters"),
]


def is_refused(parse: object, text: str, why: str) -> None:
    assert callable(parse)
    with pytest.raises(BadSecret, match=why) as raised:
        parse(text)
    assert not text.partition("_")[2] or text.partition("_")[2] not in str(raised.value)


@pytest.mark.parametrize(("text", "why"), BAD)
def test_a_bad_secret_is_named_but_not_shown(text: str, why: str) -> None:
    for parse in (parse_secret, parse_signing_key, parse_verifying_key):
        is_refused(parse, text, why)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "without the prefix whsec_ or whsk_, expected whsec_<base64> or whsk_<base64>"),
        (PUBLIC, "public key, which only verifies, expected its private half, whsk_<base64>"),
        (PRIVATE[:-1], "private key is not base64 after whsk_, expected whsk_<base64>"),
        (written("whsk_", b"s" * 32), "private key of 32 bytes, expected 64: its seed, then its public half"),
        (written("whsk_", b"s" * 65), "private key of 65 bytes, expected 64"),
        (
            written("whsk_", b"s" * 64),
            "private key that ends in the public half of another, expected both halves of one",
        ),
    ],
)
def test_a_bad_private_key_is_named_but_not_shown(text: str, why: str) -> None:
    is_refused(parse_signing_key, text, why)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "without the prefix whsec_ or whpk_, expected whsec_<base64> or whpk_<base64>"),
        (PRIVATE, "private key, which is the sender's alone, expected its public half, whpk_<base64>"),
        ("whpk_!", "public key is not base64 after whpk_"),
        (written("whpk_", b"p" * 31), "public key of 31 bytes, expected 32"),
    ],
)
def test_a_bad_public_key_is_named(text: str, why: str) -> None:
    is_refused(parse_verifying_key, text, why)


@pytest.mark.parametrize(("key", "loaded"), [("b'k' * 32", False), ("PrivateKey.of(b'k' * 32)", True)])
def test_only_who_has_a_key_pair_pays_for_it(key: str, loaded: bool) -> None:
    program = (
        "import sys, lmshooks.app, lmshooks.listener, lmshooks.cli.secret, lmshooks.cli.listen\n"
        "from lmshooks.core.keys import PrivateKey\nfrom lmshooks.core.signing import sign, verify\n"
        f"sign([{key}], 'msg_1', 1, b'')\n"
        "verify([b'k' * 32], sign([b'k' * 32], 'msg_1', 1, b''), b'', 1)\n"
        "print('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == str(loaded)
