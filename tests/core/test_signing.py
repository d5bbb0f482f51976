"""Whoever knows Standard Webhooks can check what we send, and we what they send."""

from __future__ import annotations

import base64
import hmac
import time
from base64 import b64encode
from itertools import permutations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from lmshooks.core.keys import PrivateKey, SigningKey, parse_secret, parse_signing_key, parse_verifying_key
from lmshooks.core.signing import Signer, Unverified, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
OTHER = "whsec_" + base64.b64encode(b"o" * 64).decode()
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
BODY = b'{"test": 2432232314}'


def test_the_published_vector_comes_out() -> None:
    assert sign([parse_secret(SECRET)], ID, AT, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_published_vector_of_a_key_pair_comes_out() -> None:
    assert sign([parse_signing_key(PRIVATE)], ID, AT, BODY)["webhook-signature"] == (
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
    )


def by_the_library_alone(public: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether an entry of the header is by the private half of `public`, with none of our code."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    content = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    for entry in headers["webhook-signature"].split(" "):
        if entry.startswith("v1a,"):
            try:
                key.verify(base64.b64decode(entry[4:]), content)
            except InvalidSignature:
                continue
            return True
    return False


def test_who_has_the_public_key_alone_verifies_and_nothing_may_be_changed() -> None:
    headers = sign([parse_signing_key(PRIVATE)], ID, AT, BODY)
    assert by_the_library_alone(PUBLIC, headers, BODY)
    assert not by_the_library_alone(PUBLIC, headers, BODY + b" ")
    for name, value in (("webhook-id", "msg_x"), ("webhook-timestamp", str(AT + 1))):
        assert not by_the_library_alone(PUBLIC, headers | {name: value}, BODY)
    assert not by_the_library_alone(PUBLIC, sign([PrivateKey.of(b"x" * 32)], ID, AT, BODY), BODY)


@pytest.mark.parametrize("order", list(permutations(("secret", "pair", "another pair"))), ids="-".join)
def test_several_keys_have_an_entry_each_in_the_order_given(order: tuple[str, ...]) -> None:
    keys: dict[str, SigningKey] = {
        "secret": parse_secret(SECRET), "pair": parse_signing_key(PRIVATE), "another pair": PrivateKey.of(b"a" * 32),
    }  # fmt: skip
    headers = sign([keys[name] for name in order], ID, AT, BODY)
    alone = [sign([keys[name]], ID, AT, BODY)["webhook-signature"] for name in order]
    assert headers["webhook-signature"] == " ".join(alone)
    assert len(set(alone)) == 3
    assert by_the_library_alone(PUBLIC, headers, BODY)
    for verifying in (SECRET, PUBLIC):
        verify([parse_verifying_key(verifying)], headers, BODY, AT)


@pytest.mark.parametrize("first", [SECRET, PRIVATE])
def test_the_reference_library_accepts_the_secrets_entry_beside_a_key_pairs(first: str) -> None:
    body = b'{"n":1}'
    keys = [parse_signing_key(first), parse_signing_key(PRIVATE if first == SECRET else SECRET)]
    headers = sign(keys, ID, int(time.time()), body)
    assert sorted(entry.split(",")[0] for entry in headers["webhook-signature"].split(" ")) == ["v1", "v1a"]
    Webhook(SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(body, headers)


@pytest.mark.parametrize("length", [1, 24, 64, 65, 200])
def test_a_signer_signs_one_after_another_as_an_hmac_made_anew_would(length: int) -> None:
    secrets = [b"k" * length, b"o" * 32]
    signer = Signer(secrets)
    for body in (b"", b"short", b"x" * 10_000, b"short"):
        content = f"{ID}.{AT}.".encode() + body
        anew = [b64encode(hmac.digest(secret, content, "sha256")) for secret in secrets]
        assert signer.signature(ID.encode(), AT, body) == b"v1,%b v1,%b" % tuple(anew)


def test_the_reference_library_accepts_each_side_of_a_rotation_and_nobody_else() -> None:
    body = '{"n":"é"}'.encode()
    headers = sign([parse_secret(OTHER), parse_secret(SECRET)], ID, int(time.time()), body)
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(body, headers)


def test_we_accept_what_the_reference_library_signs() -> None:
    from datetime import UTC, datetime

    signature = Webhook(SECRET).sign(ID, datetime.fromtimestamp(AT, UTC), BODY.decode())
    headers = {"Webhook-Id": ID, "WEBHOOK-TIMESTAMP": str(AT), "Webhook-Signature": f"v1a,AAAA {signature}"}
    verify([parse_secret(OTHER), parse_secret(SECRET)], headers, BODY, AT + 299.0)
    verify([parse_secret(SECRET), parse_secret(OTHER)], headers, BODY, AT - 299.0)


def changed(**headers: str) -> dict[str, str]:
    return sign([parse_secret(SECRET)], ID, AT, BODY) | {k.replace("_", "-"): v for k, v in headers.items()}


@pytest.mark.parametrize(
    ("headers", "body", "now", "why"),
    [
        (changed(), BODY + b" ", AT, "no signature matches"),
        (changed(webhook_id="msg_x"), BODY, AT, "no signature matches"),
        (changed(webhook_timestamp=str(AT + 1)), BODY, AT, "no signature matches"),
        (changed(webhook_signature="v1,é"), BODY, AT, "no signature matches"),
        (changed(webhook_signature="v1a,AAAA"), BODY, AT, "has no v1 entry"),
        (changed(webhook_signature=""), BODY, AT, "no header webhook-signature"),
        (changed(webhook_timestamp="1e9"), BODY, AT, "webhook-timestamp is not a number"),
        (changed(), BODY, AT + 301, "webhook-timestamp is 301 s old"),
        (changed(), BODY, AT - 301, "webhook-timestamp is 301 s in the future"),
    ],
)
def test_a_request_that_is_not_ours_says_why(headers: dict[str, str], body: bytes, now: float, why: str) -> None:
    with pytest.raises(Unverified, match=why):
        verify([parse_secret(SECRET)], headers, body, now)


def paired(**headers: str) -> dict[str, str]:
    return sign([parse_signing_key(PRIVATE)], ID, AT, BODY) | {k.replace("_", "-"): v for k, v in headers.items()}


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        (paired(), BODY + b" ", "no signature matches"),
        (paired(webhook_id="msg_x"), BODY, "no signature matches"),
        (paired(webhook_timestamp=str(AT + 1)), BODY, "no signature matches"),
        (sign([PrivateKey.of(b"x" * 32)], ID, AT, BODY), BODY, "no signature matches"),
        (paired(webhook_signature="v1a,"), BODY, "no signature matches"),
        (paired(webhook_signature="v1a,é v1a,A v1a,AAAA"), BODY, "no signature matches"),
        (changed(), BODY, "has no v1a entry, expected v1a,<base64>"),
        # A secret that is no secret: whoever knows the public key must not pass for its owner by an HMAC with it.
        (sign([base64.b64decode(PUBLIC[5:])], ID, AT, BODY), BODY, "has no v1a entry"),
    ],
)
def test_a_request_that_no_key_pair_of_ours_signed_says_why(headers: dict[str, str], body: bytes, why: str) -> None:
    with pytest.raises(Unverified, match=why):
        verify([parse_verifying_key(PUBLIC)], headers, body, AT)


def test_a_listener_of_both_kinds_takes_either_and_says_which_it_misses() -> None:
    both = [parse_verifying_key(SECRET), parse_verifying_key(PUBLIC)]
    verify(both, changed(), BODY, AT)
    verify(both, paired(), BODY, AT)
    with pytest.raises(Unverified, match="has no v1 or v1a entry, expected v1,<base64> or v1a,<base64>"):
        verify(both, changed(webhook_signature="v2,AAAA"), BODY, AT)


def test_bytes_that_are_no_text_are_a_wrong_signature_and_no_more() -> None:
    for name in ("webhook_id", "webhook_signature"):  # as aiohttp hands over a header that is not UTF-8
        with pytest.raises(Unverified):
            verify([parse_secret(SECRET)], changed(**{name: "v1,\udcff"}), BODY, AT)


def test_without_a_secret_nothing_is_verified() -> None:
    with pytest.raises(Unverified):
        verify([], changed(), BODY, AT)
