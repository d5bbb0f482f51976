"""Does one POST end in the one Outcome that says what happened, whatever the other side does?"""

import asyncio
import socket
import time
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from lmshooks import __version__
from lmshooks.adapters.connections import BODY_CAP, DETAIL_CAP
from lmshooks.adapters.egress import Guard, socket_factory
from lmshooks.adapters.http import Poster
from lmshooks.core.keys import PrivateKey, VerifyingKey, parse_secret
from lmshooks.core.retrying import Failure
from lmshooks.core.subscriptions import BasicAuth, BearerAuth, Endpoint, SignatureAuth
from lmshooks.listener import Answers, Listener
from tests.adapters.answering import BODY, EITHER_LOOP, LOCAL, Kept, answer, event_loop_policy, poster, raw, take

__all__ = ["event_loop_policy", "poster"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLDER = "whsec_" + "A" * 32

pytestmark = EITHER_LOOP


async def test_a_post_carries_id_timestamp_attempt_and_type_and_the_exact_body(poster):
    kept = Kept()
    async with Listener(on_request=kept) as listener:
        endpoint = Endpoint(listener.url + "a%2Fb?x=1", headers=(("X-Team", "learning"),))
        outcome = await poster.post(endpoint, "msg_1", 3, BODY)
    assert (outcome.status, outcome.failure, outcome.retry_after) == (200, None, None)
    assert outcome.elapsed > 0
    (got,) = kept
    assert (got.method, got.path, got.body) == ("POST", "/a%2Fb?x=1", BODY)
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["User-Agent"] == f"lmshooks/{__version__}"
    assert got.headers["webhook-id"] == "msg_1"
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 10
    assert got.headers["lmshooks-attempt"] == "3"
    assert got.headers["X-Team"] == "learning"
    assert "webhook-signature" not in got.headers
    assert "Authorization" not in got.headers


async def test_the_standard_webhooks_package_accepts_the_signature_of_each_secret(poster):
    kept = Kept()
    secrets = (parse_secret(SECRET), parse_secret(OLDER))
    async with Listener(on_request=kept, secrets=[parse_secret(OLDER)]) as listener:
        outcome = await poster.post(Endpoint(listener.url, SignatureAuth(secrets)), "msg_2", 1, BODY)
    assert outcome.status == 200
    (got,) = kept
    assert got.verified is True
    for secret in (SECRET, OLDER):
        assert Webhook(secret).verify(got.body, dict(got.headers)) is not None
    with pytest.raises(Exception, match="signature"):
        Webhook("whsec_" + "B" * 32).verify(got.body, dict(got.headers))


async def test_a_secret_and_a_key_pair_sign_one_request_and_either_listener_takes_it(poster):
    """While an owner moves from one to the other; the public key verifies with none of our code."""
    private = PrivateKey.of(b"s" * 32)
    signed = Endpoint("", SignatureAuth((private, parse_secret(SECRET))))
    kept = Kept()
    listeners: list[list[VerifyingKey]] = [
        [private.public],
        [parse_secret(SECRET)],
        [private.public, parse_secret(OLDER)],
    ]
    for secrets in listeners:
        async with Listener(on_request=kept, secrets=secrets) as listener:
            outcome = await poster.post(replace(signed, url=listener.url), "msg_3", 1, BODY)
        assert outcome.status == 200
    for got in kept:
        ours, theirs = got.headers["webhook-signature"].split(" ")
        content = f"msg_3.{got.headers['webhook-timestamp']}.".encode() + got.body
        Ed25519PublicKey.from_public_bytes(private.public.key).verify(b64decode(ours.removeprefix("v1a,")), content)
        assert theirs.startswith("v1,") and Webhook(SECRET).verify(got.body, dict(got.headers)) is not None


async def test_a_listener_with_another_public_key_refuses(poster):
    async with Listener(secrets=[PrivateKey.of(b"x" * 32).public]) as listener:
        outcome = await poster.post(
            Endpoint(listener.url, SignatureAuth((PrivateKey.of(b"s" * 32), parse_secret(SECRET)))), "m", 1, BODY
        )
    assert (outcome.status, outcome.failure) == (401, Failure.STATUS)
    assert "no signature matches" in outcome.detail


async def test_a_listener_with_another_secret_refuses(poster):
    async with Listener(secrets=[parse_secret(OLDER)]) as listener:
        outcome = await poster.post(Endpoint(listener.url, SignatureAuth((parse_secret(SECRET),))), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (401, Failure.STATUS)
    assert "no signature matches" in outcome.detail


@pytest.mark.parametrize(
    ("auth", "expected"),
    [(BasicAuth("ann", "p:ä"), "Basic YW5uOnA6w6Q="), (BearerAuth("t0k"), "Bearer t0k")],
)
async def test_basic_and_bearer_go_as_authorization(poster, auth, expected):
    kept = Kept()
    async with Listener(on_request=kept) as listener:
        await poster.post(Endpoint(listener.url, auth), "m", 1, BODY)
    assert kept[0].headers["Authorization"] == expected


async def test_a_body_beyond_a_mebibyte_arrives_whole(poster):
    kept = Kept()
    body = b"x" * (3 * 1024 * 1024 + 7)
    async with Listener(on_request=kept) as listener:
        outcome = await poster.post(Endpoint(listener.url), "m", 1, body)
    assert outcome.status == 200
    assert kept[0].body == body


async def test_retry_after_is_told_in_seconds(poster):
    async with Listener(answers=Answers(429, retry_after="17")) as listener:
        endpoint = Endpoint(listener.url)
        assert (await poster.post(endpoint, "m", 1, BODY))[:3] == (429, Failure.STATUS, 17.0)
        date = datetime.now(UTC) + timedelta(seconds=100)
        listener.answers = Answers(503, retry_after=date.strftime("%a, %d %b %Y %H:%M:%S GMT"))
        outcome = await poster.post(endpoint, "m", 2, BODY)
    assert outcome.status == 503
    assert 90 < outcome.retry_after <= 100


async def test_retry_after_of_an_interim_answer_is_not_the_answers(poster):
    async def handle(reader, writer, count):
        await take(reader)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 3600\r\n\r\n" + answer(b"", b"503 Busy"))
        await reader.read()

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url), "m", 1, BODY)
    assert (outcome.status, outcome.retry_after) == (503, None)


async def test_a_redirect_is_not_followed(poster):
    kept = Kept()

    async def handle(reader, writer, count):
        await take(reader)
        writer.write(answer(status=b"307 Temporary Redirect", extra=b"Location: %b\r\n" % target.encode()))
        await writer.drain()
        await reader.read()

    async with Listener(on_request=kept) as listener:
        target = listener.url
        async with raw(handle) as url:
            outcome = await poster.post(Endpoint(url), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (307, Failure.REDIRECT)
    assert kept == []


async def test_an_endpoint_that_hangs_is_a_time_out(poster):
    async with Listener(answers=Answers(hang=True)) as listener:
        outcome = await poster.post(Endpoint(listener.url, total_timeout=0.1), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.TIMEOUT)
    assert 0.09 < outcome.elapsed < 2


async def test_a_head_that_drips_is_a_time_out(poster):
    async def handle(reader, writer, count):
        await take(reader)
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url, total_timeout=0.2), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.TIMEOUT)


async def test_a_body_that_drips_does_not_outlast_the_time_out_and_the_status_counts(poster):
    async def handle(reader, writer, count):
        await take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"z")
            await asyncio.sleep(0.01)

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url, total_timeout=0.2), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (200, None)
    assert outcome.elapsed < 2
    assert outcome.detail.startswith("zz")


async def test_a_reset_in_the_middle_of_the_head_is_a_disconnect(poster):
    async def handle(reader, writer, count):
        await take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-")
        await writer.drain()

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.DISCONNECT)


async def test_a_reset_in_the_middle_of_the_body_leaves_the_status(poster):
    async def handle(reader, writer, count):
        await take(reader)
        writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (500, Failure.STATUS)


async def test_what_is_no_http_is_told(poster):
    async def handle(reader, writer, count):
        await take(reader)
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url, total_timeout=2.0), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.OTHER)


async def test_a_huge_answer_is_read_to_the_cap_and_its_connection_closed(poster):
    sent = 0
    closed = asyncio.Event()

    async def handle(reader, writer, count):
        nonlocal sent
        await take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b"y" * 65536 + b"\r\n")
                await writer.drain()
                sent += 65536
        finally:
            closed.set()

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url), "m", 1, BODY)
        await asyncio.wait_for(closed.wait(), 5)
    assert (outcome.status, outcome.failure) == (200, None)
    assert outcome.detail == "y" * DETAIL_CAP
    assert sent < 400 * BODY_CAP


async def test_a_compressed_answer_is_not_unpacked(poster):
    async def handle(reader, writer, count):
        head = await take(reader)
        assert b"accept-encoding: identity" in head.lower()
        writer.write(answer(b"\xff\x00not gzip", extra=b"Content-Encoding: gzip\r\n"))
        await writer.drain()
        await reader.read()

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url), "m", 1, BODY)
    assert outcome.detail == "�\x00not gzip"


async def test_an_endpoints_own_headers_replace_the_usual_ones_and_never_ours(poster):
    kept = Kept()
    headers = (("content-type", "application/vnd.x+json"), ("Webhook-Id", "forged"), ("authorization", "mine"))
    async with Listener(on_request=kept) as listener:
        await poster.post(Endpoint(listener.url, BearerAuth("t0k"), headers), "m", 1, BODY)
    got = kept[0].headers
    assert got.getall("Content-Type") == ["application/vnd.x+json"]
    assert got.getall("webhook-id") == ["m"]
    assert got.getall("Authorization") == ["Bearer t0k"]


async def test_a_refused_connection_is_told(poster):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        outcome = await poster.post(Endpoint(url), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.CONNECT)
    assert "127.0.0.1" in outcome.detail


async def test_a_connection_that_is_never_accepted_is_a_time_out(poster):
    async def silent(reader, writer, count):
        await asyncio.Event().wait()  # the TLS handshake is never answered

    async with raw(silent) as url:
        endpoint = Endpoint(url.replace("http:", "https:"), connect_timeout=0.1)
        outcome = await poster.post(endpoint, "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.TIMEOUT)
    assert "connect" in outcome.detail
    assert outcome.elapsed < 3


async def test_a_name_that_does_not_exist_is_a_dns_failure(poster):
    outcome = await poster.post(Endpoint("http://no-such-host.invalid/secret"), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.DNS)
    assert "no-such-host.invalid" in outcome.detail
    assert "secret" not in outcome.detail


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0", "[::1]", "169.254.169.254"]
)
async def test_the_guard_sees_literal_addresses_and_names_alike(host):
    kept = Kept()
    poster = Poster(socket_factory(Guard()), allow_http=True)
    try:
        async with Listener(on_request=kept) as listener:
            outcome = await poster.post(Endpoint(f"http://{host}:{listener.port}/"), "m", 1, BODY)
    finally:
        await poster.close()
    assert (outcome.status, outcome.failure) == (None, Failure.EGRESS)
    assert "egress.allow_networks" in outcome.detail
    assert kept == []


async def test_http_is_refused_unless_allowed():
    poster = Poster(socket_factory(Guard(LOCAL)))
    kept = Kept()
    try:
        async with Listener(on_request=kept) as listener:
            outcome = await poster.post(Endpoint(listener.url + "token"), "m", 1, BODY)
    finally:
        await poster.close()
    assert (outcome.status, outcome.failure) == (None, Failure.EGRESS)
    assert "allow_http" in outcome.detail
    assert "token" not in outcome.detail
    assert kept == []


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://a/", "http://", "http://[::1", "http://h:99999/s3cret"])
async def test_what_is_no_url_is_an_outcome_and_no_exception(poster, url):
    outcome = await poster.post(Endpoint(url), "m", 1, BODY)
    assert outcome.status is None
    assert outcome.failure in (Failure.OTHER, Failure.EGRESS)
    assert "s3cret" not in outcome.detail


async def test_a_header_that_would_split_the_request_is_an_outcome_and_no_exception(poster):
    async with Listener() as listener:
        endpoint = Endpoint(listener.url, headers=(("X-A", "1\r\nX-B: 2"),))
        outcome = await poster.post(endpoint, "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.OTHER)
