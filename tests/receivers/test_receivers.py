"""The receivers that listeners' owners paste: each verifies, refuses, de-duplicates, and works with the daemon."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from standardwebhooks import Webhook

from lmshooks.core.keys import PrivateKey, parse_signing_key, spelt
from lmshooks.core.signing import sign
from tests.kafka.daemons import SECRET, Daemon
from tests.kafka.events import kafka_of
from tests.kafka.records import create_topic, produce
from tests.receivers.programs import LANGUAGES, NoToolchain, Program

OLD = "whsec_" + base64.b64encode(b"the secret before this one").decode()
FOREIGN = "whsec_" + base64.b64encode(b"a secret of somebody else's").decode()
PAIR = PrivateKey.of(b"the seed of the operator's pair.")
PRIVATE, PUBLIC = spelt(PAIR), spelt(PAIR.public)
FOREIGN_PRIVATE = spelt(PrivateKey.of(b"the seed of somebody else's pair"))


@pytest.fixture(scope="module", params=LANGUAGES)
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """How the receiver of a language is started; it is built once."""
    try:
        return LANGUAGES[request.param](tmp_path_factory.mktemp(request.param))
    except NoToolchain as why:
        pytest.skip(f"no receiver in {request.param}: {why}")


@pytest.fixture(scope="module")
def running(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program(command, tmp_path_factory.mktemp("running"), [SECRET]) as program:
        yield program


@pytest.fixture
def receiver(running: Program) -> Program:
    """A receiver that knows nothing of the account that is this test's own."""
    running.account = uuid.uuid4().hex
    return running


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]


def post(program: Program, body: bytes, headers: dict[str, str], method: str = "POST") -> Answer:
    address = urlsplit(program.url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    try:
        connection.request(method, "/hooks", body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        answer.read()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()})
    finally:
        connection.close()


def signed(body: bytes, *secrets: str, age: int = 0, delivery: str = "msg_1") -> dict[str, str]:
    return sign([parse_signing_key(each) for each in secrets or (SECRET,)], delivery, int(time.time()) - age, body)


def event(identity: str, **more: Any) -> dict[str, Any]:
    return {"eventId": identity, "eventName": "COURSE_COMPLETED", "timestamp": 1, "data": {}, **more}


def body_of(program: Program, *identities: str, more: str = "") -> bytes:
    return json.dumps({"accountId": program.account + more, "events": [event(each) for each in identities]}).encode()


def send(program: Program, *identities: str, more: str = "") -> int:
    body = body_of(program, *identities, more=more)
    return post(program, body, signed(body)).status


def only_marker_was_processed(program: Program) -> None:
    """What was refused left nothing behind: the next good event is the first that is processed."""
    assert send(program, "marker") == 202
    assert program.until_processed("marker") == ["marker"]


def test_what_the_secret_signed_is_taken_and_processed_in_order(receiver: Program) -> None:
    names = [f"é{number}" for number in range(50)]
    assert send(receiver, *names) == 202
    assert receiver.until_processed(names[-1]) == names


def test_what_the_reference_library_signs_is_taken(receiver: Program) -> None:
    body, now = body_of(receiver, "reference"), datetime.now(UTC)
    signature = Webhook(SECRET).sign("msg_2", now, body.decode())
    headers = {"webhook-id": "msg_2", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    assert post(receiver, body, headers).status == 202


def test_what_another_secret_signed_is_refused(receiver: Program) -> None:
    body = body_of(receiver, "forged")
    assert post(receiver, body, signed(body, FOREIGN)).status == 401
    only_marker_was_processed(receiver)


def test_a_body_that_was_changed_is_refused(receiver: Program) -> None:
    body = body_of(receiver, "right")
    assert post(receiver, body.replace(b"right", b"wrong"), signed(body)).status == 401
    only_marker_was_processed(receiver)


@pytest.mark.parametrize("age", [301 + 30, -301 - 30])
def test_a_time_that_is_not_now_is_refused(receiver: Program, age: int) -> None:
    body = body_of(receiver, "replayed")
    assert post(receiver, body, signed(body, age=age)).status == 401
    assert post(receiver, body, signed(body, age=age // 2)).status == 202


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_without_a_header_or_with_another_it_is_refused(receiver: Program, name: str) -> None:
    body = body_of(receiver, "x")
    headers = signed(body)
    assert post(receiver, body, {key: value for key, value in headers.items() if key != name}).status == 401
    assert post(receiver, body, {**headers, name: "v1,"}).status == 401
    only_marker_was_processed(receiver)


def test_one_of_several_signatures_is_enough_wherever_it_stands(receiver: Program) -> None:
    for number, secrets in enumerate(((SECRET, FOREIGN), (FOREIGN, SECRET))):
        body = body_of(receiver, f"e{number}")
        headers = signed(body, *secrets)
        headers["webhook-signature"] = "v1a,AAAA " + headers["webhook-signature"] + " v9,AAAA"
        assert post(receiver, body, headers).status == 202
    assert receiver.until_processed("e1") == ["e0", "e1"]


def test_with_two_secrets_of_its_own_both_are_good(command: list[str], tmp_path: Path) -> None:
    with Program(command, tmp_path, [SECRET, OLD]) as program:
        for secret in (SECRET, OLD):
            body = body_of(program, secret)
            assert post(program, body, signed(body, secret)).status == 202
        body = body_of(program, "forged")
        assert post(program, body, signed(body, FOREIGN)).status == 401


@pytest.fixture(scope="module")
def holder(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One who has a public key, and a secret from before."""
    with Program(command, tmp_path_factory.mktemp("holder"), [OLD, PUBLIC]) as program:
        yield program


@pytest.mark.parametrize("keys", [(PRIVATE,), (FOREIGN, PRIVATE), (FOREIGN_PRIVATE, PRIVATE, FOREIGN), (OLD,)])
def test_who_has_a_public_key_takes_what_its_private_key_signed(holder: Program, keys: Sequence[str]) -> None:
    body = body_of(holder, "é")
    assert post(holder, body, signed(body, *keys)).status == 202


def test_who_has_a_public_key_refuses_what_its_private_key_did_not_sign(holder: Program) -> None:
    body = body_of(holder, "right")
    headers = signed(body, PRIVATE)  # of one second: a signature made in the next one is of another time
    good = headers["webhook-signature"]
    foreign = signed(body, FOREIGN_PRIVATE)["webhook-signature"]
    assert post(holder, body.replace(b"right", b"wrong"), headers).status == 401
    assert post(holder, body, headers | {"webhook-id": "msg_2"}).status == 401
    many = " ".join([foreign] * 10 + [good])
    for signature in (foreign, good.replace("v1a,", "v1,"), f"v1a,{good[8:]}", "v1a,", "v1a,A", "v1a", many):
        assert post(holder, body, headers | {"webhook-signature": signature}).status == 401, signature
    # What is bad hides nothing behind it.
    for bad in ("v1a,A ", "v1a,! ", "v1a, ", f"v1a,{good[8:]} ", f"{foreign} " * 9):
        assert post(holder, body, headers | {"webhook-signature": bad + good}).status == 202, bad


@pytest.mark.parametrize("read", ["its bytes", "its text"])
def test_a_public_key_is_never_taken_for_a_secret(holder: Program, read: str) -> None:
    """Everybody may know it: an HMAC with it proves nothing."""
    key = PAIR.public.key if read == "its bytes" else base64.b64decode(PUBLIC.replace("_", ""))
    body = body_of(holder, "forged")
    assert post(holder, body, sign([key], "msg_1", int(time.time()), body)).status == 401


@pytest.mark.parametrize("text", [PRIVATE, "hunter2", PUBLIC.replace("whpk_", "")])
def test_what_is_no_key_ends_it_before_it_listens(command: list[str], text: str) -> None:
    done = subprocess.run(
        command, env={**os.environ, "WEBHOOK_SECRETS": text}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0 and "listening" not in done.stdout
    assert "WEBHOOK_SECRETS" in done.stderr and text not in done.stderr


def test_a_duplicate_is_accepted_and_processed_once(receiver: Program) -> None:
    body = body_of(receiver, "a", "b")
    headers = signed(body)
    assert [post(receiver, body, headers).status for _ in range(3)] == [202] * 3
    assert send(receiver, "b", "c", "c") == 202  # grouped otherwise, as after a crash of the sender
    assert send(receiver, "a", more="another") == 202  # an id is an account's
    assert send(receiver, "end") == 202
    assert receiver.until_processed("end") == ["a", "b", "c", "a", "end"]


def test_the_memory_of_ids_has_an_end(receiver: Program) -> None:
    assert send(receiver, "first") == 202
    for batch in range(10):
        names = [f"{batch}.{number}" for number in range(10_000)]
        assert send(receiver, *names) == 202
        receiver.until_processed(names[-1])
    assert send(receiver, "first", "9.9999", "end") == 202
    assert receiver.until_processed("end")[-3:] == ["9.9999", "first", "end"]


def test_what_there_is_no_room_for_is_put_off_whole(receiver: Program) -> None:
    body = body_of(receiver, *(f"e{number}" for number in range(20_001)))
    answer = post(receiver, body, signed(body))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    only_marker_was_processed(receiver)


def test_a_body_that_is_too_large_is_refused_before_it_is_looked_at(receiver: Program) -> None:
    body = b" " * (6 * 1024 * 1024 + 1)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may hang up on a sender that still writes
        assert post(receiver, body, signed(body)).status == 413
    only_marker_was_processed(receiver)
    largest = json.dumps(
        {"accountId": receiver.account, "events": [event("large", data={"x": "x" * (5 * 1024 * 1024)})]}
    ).encode()
    assert post(receiver, largest, signed(largest)).status == 202


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"accountId":1}', b'{"events":[]}', b'{"accountId":1,"events":[{"eventName":"X"}]}']
)
def test_what_is_signed_but_no_envelope_is_a_bad_request(receiver: Program, body: bytes) -> None:
    assert post(receiver, body, signed(body)).status == 400


def test_only_post_is_served(receiver: Program) -> None:
    assert post(receiver, b"", {}, "GET").status in (405, 501)


def test_connections_are_used_again(receiver: Program) -> None:
    address = urlsplit(receiver.url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.connect()
    socket = connection.sock
    for number, secret in enumerate((SECRET, FOREIGN, SECRET)):
        body = body_of(receiver, f"e{number}")
        connection.request("POST", "/", body, signed(body, secret))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == (401 if secret is FOREIGN else 202)
        assert connection.sock is socket
    connection.close()


@pytest.mark.parametrize(("new", "known"), [(FOREIGN, SECRET), (PRIVATE, PUBLIC)], ids=["secret", "key-pair"])
async def test_it_takes_what_the_daemon_delivers_while_a_secret_is_rotated(
    new: str, known: str, command: Sequence[str], embedded: str, topic: Any, tmp_path: Path
) -> None:
    """It knows the old secret alone, or of the key pair that takes its place the public key alone."""
    name = await create_topic(embedded, topic("events"))
    (tmp_path / "c").mkdir()
    (tmp_path / "new.txt").write_text(new)
    secrets = [{"file": str(tmp_path / "new.txt")}, {"env": "SECRET"}]
    with Program(command, tmp_path, [known]) as program:
        subscription = {
            "id": "pasted", "account": program.account, "events": ["*"], "url": program.url, "max_events": 7,
            "auth": {"signature": {"secrets": secrets}},
        }  # fmt: skip
        names = [f"e{number}" for number in range(100)]
        # Every tenth event is written twice, as a producer that is in doubt does.
        values = [body_of(program, each) for at, each in enumerate(names) for _ in range(2 if at % 10 == 0 else 1)]
        async with Daemon(tmp_path / "c" / "d", kafka_of(embedded, name), [subscription]):
            await produce(embedded, name, values, key=b"key")
            found = program.until_processed(names[-1])
        assert found == names
