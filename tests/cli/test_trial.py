"""One event to one endpoint: what a person sees of the request, the answer, its timing and the verdict."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lmshooks.cli.trial import test as trial
from lmshooks.core.keys import PrivateKey, parse_secret, spelt
from lmshooks.listener import Answers
from tests.adapters.test_http_tls import Authority
from tests.cli.test_explain import configure
from tests.cli.worlds import event, listening
from tests.kafka.daemons import SECRET


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setenv("TOKEN", "hunter2")


def entry(url: str, more: str = "") -> str:
    signed = "auth: {signature: {secrets: [{env: SECRET}]}}"
    return f"{{id: crm, account: '1010', events: [COURSE_COMPLETED], url: '{url}'{more}, {signed}}}"


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(trial, ["crm", "--config", str(folder), *arguments])


def test_a_delivery_shows_request_answer_timing_and_verdict(tmp_path: Path) -> None:
    with listening(Answers(status=201, body=b"thanks\n"), secrets=[parse_secret(SECRET)]) as (listener, got):
        folder = configure(tmp_path, entry(listener.url + "hook"))
        result = run(folder)
    assert result.exit_code == 0, result.output
    (received,) = got
    assert received.verified is True
    account, (sent,) = received.payload()
    assert (account, sent["eventName"]) == ("1010", "COURSE_COMPLETED")
    for line in (
        f"  > POST {listener.url}hook",
        f"  > webhook-id: {received.delivery_id}",
        f"  > {received.body.decode()}",
        "  < 201 Created",
        "  < thanks",
        "verdict: delivered. The daemon would settle it and go on with what comes next.",
    ):
        assert line in result.output.splitlines()
    assert re.search(
        r"^connect \d+\.\d ms, first byte \d+\.\d ms, all of it \d+\.\d ms to 127\.0\.0\.1$", result.output, re.M
    )


def test_a_key_pairs_signature_is_shown_as_it_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = PrivateKey.of(b"s" * 32)
    monkeypatch.setenv("SECRET", spelt(private))
    with listening(secrets=[private.public]) as (listener, got):
        result = run(configure(tmp_path, entry(listener.url)))
    assert result.exit_code == 0, result.output
    assert got[0].verified is True and got[0].headers["webhook-signature"].startswith("v1a,")
    assert f"  > webhook-signature: {got[0].headers['webhook-signature']}" in result.output.splitlines()
    assert spelt(private) not in result.output


def test_over_tls_the_handshake_is_a_phase_and_a_name_another(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    with listening(Answers(delay=0.05), tls=authority.context) as (listener, _):
        (folder := tmp_path / "config").mkdir()
        configure(folder, entry(listener.url, f", tls: {{ca_file: '{authority.file}'}}"))
        told = json.loads(run(folder, "--json").output)
    assert told["verdict"] == "delivered"
    assert list(told["phases"]) == ["connect", "tls", "first_byte"]
    assert told["phases"]["first_byte"] >= 0.05 and told["phases"]["tls"] > 0
    assert sum(told["phases"].values()) <= told["seconds"]
    with listening() as (listener, _):
        configure(folder, entry(f"http://localhost:{listener.port}/"))
        told = json.loads(run(folder, "--json").output)
    assert list(told["phases"]) == ["dns", "connect", "first_byte"]


@pytest.mark.parametrize(
    ("answers", "verdict", "then"),
    [
        (Answers(status=410), "gone", "suspend the subscription and keep what it is owed, until: lmshooks resume crm"),
        (
            Answers(status=503, retry_after="3600"),
            "wait",
            "hold everything for this subscription, and try again in 60 min",
        ),
        (Answers(status=422), "retry", "refused 3 times, it is a dead letter (rejected)"),
        (
            Answers(status=500),
            "retry",
            "at most 5 min apart; after 7 d of nothing but failure, suspend the subscription",
        ),
        (Answers(status=302), "retry", "try again in "),
    ],
)
def test_another_answer_is_exit_code_1_and_says_what_would_follow(
    tmp_path: Path, answers: Answers, verdict: str, then: str
) -> None:
    with listening(answers) as (listener, _):
        result = run(configure(tmp_path, entry(listener.url)))
    assert result.exit_code == 1
    last = result.output.splitlines()[-1]
    assert last.startswith(f"verdict: {verdict}. The daemon would ") and then in last


def test_no_answer_within_the_time_out_is_told(tmp_path: Path) -> None:
    with listening(Answers(hang=True)) as (listener, _):
        result = run(configure(tmp_path, entry(listener.url, ", timeouts: {connect: 1s, total: 1s}")))
    assert result.exit_code == 1
    assert "  no answer (timeout): no answer within the total time-out" in result.output


def test_nobody_there_is_told_with_what_was_to_be_sent(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        result = run(configure(tmp_path, entry(f"http://127.0.0.1:{taken.getsockname()[1]}/")))
    assert result.exit_code == 1
    assert "  look: does it run there, " in result.output
    assert "  no answer (connect): " in result.output and "  > webhook-signature: v1," in result.output


@pytest.mark.parametrize(
    ("answers", "look"),
    [
        (Answers(status=401), "  look: do both sides have the same secret? `lmshooks secret export` tells "),
        (Answers(status=307), "  look: redirects are not followed: the url is to be where it ends"),
        (Answers(status=500), None),
        (Answers(), None),
    ],
)
def test_where_it_can_be_told_where_to_look_it_is(tmp_path: Path, answers: Answers, look: str | None) -> None:
    with listening(answers) as (listener, _):
        folder = configure(tmp_path, entry(listener.url))
        said = [line for line in run(folder).output.splitlines() if line.startswith("  look: ")]
    assert len(said) == (look is not None)
    assert all(line.startswith(look or "") for line in said)


def test_the_egress_guard_is_in_the_way_as_it_would_be(tmp_path: Path) -> None:
    with listening() as (listener, got):
        folder = configure(tmp_path, entry(listener.url))
        daemon = folder / "daemon.yaml"
        daemon.write_text(daemon.read_text().replace(", allow_networks: [127.0.0.0/8]", ""))
        result = run(folder)
    assert result.exit_code == 1 and not got
    assert "no answer (egress): 127.0.0.1 is" in result.output and "egress.allow_networks" in result.output


def test_an_event_that_it_would_not_get_is_sent_and_that_is_said(tmp_path: Path) -> None:
    with listening() as (listener, got):
        folder = configure(tmp_path, entry(listener.url))
        result = run(folder, "LEARNER_PROGRESS")
        assert result.exit_code == 0 and len(got) == 1
        assert "note: the daemon would not send it: its events do not name LEARNER_PROGRESS" in result.output
        other = run(folder, "COURSE_COMPLETED", "--account", "2020")
        assert "it is of account 2020, expected 1010" in other.output


def test_the_sample_passes_the_filter_where_one_can_be_found(tmp_path: Path) -> None:
    with listening() as (listener, got):
        folder = configure(tmp_path, entry(listener.url, ", filter: {data.hasPassed: false, data.loType: course}"))
        for _ in range(3):
            assert "note:" not in run(folder).output
    assert [received.payload()[1][0]["data"]["hasPassed"] for received in got] == [False] * 3


def test_a_file_is_sent_as_its_producer_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(event(1), indent=1))
    with listening() as (listener, got):
        folder = configure(tmp_path, entry(listener.url))
        assert run(folder, "--file", str(tmp_path / "one.json")).exit_code == 0
        assert got[0].payload()[1][0]["eventId"] == "e1"
        (tmp_path / "one.json").write_text("[]")
        bad = run(folder, "--file", str(tmp_path / "one.json"))
    assert bad.exit_code == 1 and "cannot be sent: record is an array" in bad.output
    assert len(got) == 1


def test_credentials_are_masked_in_what_was_really_sent(tmp_path: Path) -> None:
    with listening() as (listener, got):
        folder = configure(
            tmp_path,
            f"{{id: crm, account: '*', events: ['*'], url: '{listener.url}',"
            " auth: {bearer: {token: {env: TOKEN}}}}",
        )
        masked, shown = run(folder), run(folder, "--show-secrets")
    assert got[0].headers["Authorization"] == "Bearer hunter2"
    assert "hunter2" not in masked.output and "> Authorization: Bearer ****" in masked.output
    assert "> Authorization: Bearer hunter2" in shown.output


def test_what_an_answer_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    with listening(Answers(body=b"\x1b[2Jboo")) as (listener, _):
        said = run(configure(tmp_path, entry(listener.url))).output
    assert "\x1b" not in said and "?[2Jboo" in said


def test_an_unknown_subscription_is_refused_with_the_nearest(tmp_path: Path) -> None:
    folder = configure(tmp_path, entry("http://127.0.0.1:1/"))
    result = CliRunner().invoke(trial, ["crn", "--config", str(folder)])
    assert result.exit_code == 1 and "did you mean crm?" in result.output


def test_the_help_teaches_by_example() -> None:
    assert "lmshooks test crm-completions --json | jq .phases" in CliRunner().invoke(trial, ["--help"]).output
