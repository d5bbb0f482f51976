"""Whoever knows Standard Webhooks can check what we send, and we what they send."""

from __future__ import annotations

import base64
import hmac
import time
from base64 import b64encode

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from lmshooks.core.signing import BadSecret, Signer, Unverified, parse_secret, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
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


def test_without_a_secret_nothing_is_verified() -> None:
    with pytest.raises(Unverified):
        verify([], changed(), BODY, AT)


@pytest.mark.parametrize("size", [24, 64])
def test_a_secret_has_24_to_64_bytes(size: int) -> None:
    key = bytes(range(size))
    assert parse_secret("whsec_" + base64.b64encode(key).decode()) == key


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hunter2hunter2hunter2hunter2hunter2", "secret of 35 characters without the prefix whsec_"),
        ("whsec_hunter2!", "secret is not base64"),
        ("whsec_höchstgeheim", "secret is not base64"),
        ("whsec_" + base64.b64encode(b"h" * 23).decode(), "secret of 23 bytes, expected 24 to 64"),
        ("whsec_" + base64.b64encode(b"h" * 65).decode(), "secret of 65 bytes, expected 24 to 64"),
        ("", "secret of 0 characters"),
    ],
)
def test_a_bad_secret_is_named_but_not_shown(text: str, why: str) -> None:
    with pytest.raises(BadSecret, match=why) as raised:
        parse_secret(text)
    assert not text or text.removeprefix("whsec_") not in str(raised.value)
