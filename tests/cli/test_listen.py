"""Does `lmshooks listen` print what came, verify it, answer as told, and stop cleanly?"""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from time import time

import pytest
from click.testing import CliRunner

from lmshooks.cli.listen import listen
from lmshooks.core.keys import PrivateKey, parse_signing_key, spelt
from lmshooks.core.signing import sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps(
    {
        "accountId": "1010",
        "events": [
            {"eventId": "e-1", "eventName": "COURSE_ENROLLMENT", "data": {}},
            {"eventId": "e-2", "eventName": "COURSE_COMPLETED", "data": {}},
        ],
    }
).encode()
COMMAND = [sys.executable, "-c", "from lmshooks.cli.listen import listen; listen(prog_name='lmshooks listen')"]


@contextmanager
def running(*options, **variables):
    """The command as a process; yields (url, stop), where stop() presses Ctrl-C and gives (code, stdout, stderr)."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )

    def stop(number=signal.SIGINT):
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        return process.returncode, out, err

    assert process.stderr is not None
    try:
        first = process.stderr.readline()
        found = re.search(r"http://\S+/", first)
        assert found, first + process.stderr.read()
        yield found[0], stop
    finally:
        process.kill()
        process.communicate()


def post(url, body=BODY, secret=SECRET, attempt=1):
    """POST a delivery; the answer's status and headers."""
    headers = {
        **sign([parse_signing_key(secret)], "msg_0123456789", int(time()), body),
        "lmshooks-attempt": str(attempt),
    }
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers


def test_json_is_one_object_an_event_and_ctrl_c_ends_it_with_a_count():
    with running("--json", "--secret-env", "HOOK_SECRET", HOOK_SECRET=SECRET) as (url, stop):
        assert post(url, attempt=2)[0] == 200
        code, out, err = stop()
    assert code == 0
    first, second = (json.loads(line) for line in out.splitlines())
    at = first.pop("at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at)
    assert first == {
        "eventName": "COURSE_ENROLLMENT",
        "account": "1010",
        "eventId": "e-1",
        "webhookId": "msg_0123456789",
        "attempt": 2,
        "verified": True,
        "status": 200,
        "problem": None,
    }
    assert second["eventId"] == "e-2"
    assert "1 request, 0 not verified" in err
    assert "Traceback" not in err


def test_a_wrong_signature_is_answered_401_and_shown(tmp_path):
    file = tmp_path / "secrets"
    file.write_text(f"{SECRET}\n")
    with running("--secret-file", str(file)) as (url, stop):
        assert post(url, secret="whsec_" + "A" * 32)[0] == 401
        assert post(url)[0] == 200
        code, out, err = stop(signal.SIGTERM)
    assert code == 0
    bad, _, good, _ = out.splitlines()
    assert "401 NOT VERIFIED: no signature matches" in bad
    assert "200 verified" in good
    for word in ("COURSE_ENROLLMENT", "1010", "e-1", "23456789", "#1"):
        assert word in good
    assert "1 not verified" in err


def test_a_public_key_verifies_what_its_private_key_signed(tmp_path):
    private = PrivateKey.of(b"s" * 32)
    file = tmp_path / "crm.pub"
    file.write_text(f"{spelt(private.public)}\n")
    with running("--secret-file", str(file), "--secret-env", "HOOK_SECRET", HOOK_SECRET=SECRET) as (url, stop):
        assert post(url, secret=spelt(private))[0] == 200
        assert post(url)[0] == 200
        assert post(url, secret=spelt(PrivateKey.of(b"x" * 32)))[0] == 401
        code, out, _ = stop()
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()[:4]] == ["verified"] * 4
    assert all("401 NOT VERIFIED: no signature matches" in line for line in out.splitlines()[4:])


def test_it_fails_as_told():
    with running("--json", "--fail-rate", "1", "--fail-status", "429", "--retry-after", "9") as (url, stop):
        status, headers = post(url)
        _, out, _ = stop()
    assert (status, headers["Retry-After"]) == (429, "9")
    assert json.loads(out.splitlines()[0])["status"] == 429


@pytest.mark.parametrize("body", [b"no json", b"[1]", b'{"events": [1]}', b'{"accountId": "1", "events": []}'])
def test_what_is_no_envelope_is_a_line_with_its_problem(body):
    with running("--json") as (url, stop):
        assert post(url, body)[0] == 200
        code, out, _ = stop()
    (line,) = out.splitlines()
    assert code == 0
    assert json.loads(line)["problem"]


def test_what_comes_cannot_steer_the_terminal():
    body = json.dumps({"accountId": "1", "events": [{"eventName": "A\x1b[2J[bold]", "eventId": "e\n2"}]}).encode()
    with running() as (url, stop):
        post(url, body)
        _, out, _ = stop()
    assert "\x1b" not in out
    assert "A?[2J[bold]" in out
    assert len(out.splitlines()) == 1


def test_a_port_that_is_taken_is_one_line_that_says_what_to_do():
    with running() as (url, _):
        port = url.rsplit(":", 1)[1].strip("/")
        result = CliRunner().invoke(listen, ["--port", port])
    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.output
    assert "--port" in result.output


@pytest.mark.parametrize("value", ["", "hunter2", "whsec_c2hvcnQ=", spelt(PrivateKey.of(b"s" * 32))])
def test_a_secret_that_is_none_is_refused_without_being_shown(value, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", value)
    result = CliRunner().invoke(listen, ["--secret-env", "HOOK_SECRET"])
    assert result.exit_code == 2
    assert "HOOK_SECRET" in result.output
    assert not value or value not in result.output


def test_help_teaches_with_an_example():
    result = CliRunner().invoke(listen, ["--help"])
    assert result.exit_code == 0
    assert "lmshooks listen --secret-env WEBHOOK_SECRET" in result.output
    assert "jq" in result.output
