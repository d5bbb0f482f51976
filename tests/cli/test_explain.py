"""Who gets an event: of samples, files, standard input and a real topic; and requests that work when pasted."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lmshooks.cli.explain import explain
from lmshooks.core.keys import PrivateKey, VerifyingKey, parse_secret, spelt
from lmshooks.listener import Listener, Received
from tests.cli.worlds import event, listening
from tests.kafka.daemons import SECRET
from tests.kafka.records import create_topic, produce

BARE = event(1, hasPassed=True)


def configure(folder: Path, *entries: str, bootstrap: str = "127.0.0.1:1", topic: str = "t") -> Path:
    (folder / "daemon.yaml").write_text(
        f"kafka: {{bootstrap_servers: '{bootstrap}', topics: [{topic}], request_timeout: 3s}}\n"
        "egress: {allow_http: true, allow_networks: [127.0.0.0/8]}\n"
    )
    (folder / "subscriptions").mkdir(exist_ok=True)
    (folder / "subscriptions" / "all.yaml").write_text("subscriptions:\n" + "".join(f"- {one}\n" for one in entries))
    return folder


CRM = (
    "{id: crm, account: '1010', events: ['COURSE_*'], url: 'https://crm.example/hook', filter: {data.hasPassed: true}}"
)
LRS = "{id: lrs, account: '*', events: [LEARNER_PROGRESS], url: 'https://lrs.example/'}"
OTHER = "{id: other, account: '2020', events: ['*'], url: 'https://other.example/'}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return configure(tmp_path, CRM, LRS, OTHER)


def run(folder: Path, *arguments: str, **more: str) -> Result:
    return CliRunner().invoke(explain, ["--config", str(folder), *arguments], **more)  # type: ignore[arg-type]


def test_a_sample_is_sent_to_who_wants_it_and_the_others_say_why_not(folder: Path) -> None:
    result = run(folder, "COURSE_COMPLETED", "--account", "1010", "--set", "data.hasPassed=true")
    assert result.exit_code == 0, result.output
    first, crm, lrs, count, *_ = result.output.splitlines()
    assert first.startswith("COURSE_COMPLETED ") and "of account 1010 (a sample" in first
    assert crm == "  yes   crm  its events name COURSE_* and its filter passes; sent at once"
    assert lrs == "  no    lrs  its events do not name COURSE_COMPLETED: LEARNER_PROGRESS"
    assert count == "1 of 2 get it (1 of other accounts are not asked)"
    assert "  POST https://crm.example/hook" in result.output
    assert "  webhook-id: msg_" in result.output


def test_a_sample_is_of_an_account_that_somebody_wants(folder: Path) -> None:
    assert "of account 1010 (a sample" in run(folder, "COURSE_COMPLETED").output
    configure(folder, LRS)
    assert "of account 1001 (a sample" in run(folder, "LEARNER_PROGRESS").output


def test_nobody_is_exit_code_1_and_the_clause_that_failed_is_named(folder: Path) -> None:
    result = run(folder, "COURSE_COMPLETED", "--account", "1010", "--set", "data.hasPassed=false")
    assert result.exit_code == 1
    assert 'no    crm  its filter fails at data.hasPassed: {"eq": true}: the event has false' in result.output


def test_a_windowed_event_says_when(folder: Path) -> None:
    said = run(folder, "LEARNER_PROGRESS", "--only", "lrs").output
    assert "sent when window default closes (in " in said and " UTC)" in said


def test_a_file_may_hold_an_envelope_with_a_bad_event_in_it(folder: Path, tmp_path: Path) -> None:
    good = {name: value for name, value in BARE.items() if name != "accountId"}
    (tmp_path / "record.json").write_text(json.dumps({"accountId": 1010, "events": [good, {"eventId": 7}]}))
    result = run(folder, "--file", str(tmp_path / "record.json"))
    assert result.exit_code == 0
    assert "event 1 of " in result.output and "malformed, a dead letter: eventId is a number" in result.output
    assert "COURSE_COMPLETED e1 of account 1010" in result.output


def test_standard_input_is_a_file_too_and_a_malformed_record_says_why(folder: Path) -> None:
    result = run(folder, "--file", "-", input='{"accountId": 1010}')
    assert result.exit_code == 1
    assert result.output.startswith("event 0 of standard input: malformed, a dead letter: no eventId")


async def test_a_place_in_kafka_is_a_record_or_one_event_of_it(
    broker: str, topic: Callable[..., str], tmp_path: Path
) -> None:
    name = await create_topic(broker, topic("explained"), 2)
    good = {key: value for key, value in BARE.items() if key != "accountId"}
    envelope = {"accountId": 1010, "events": [good, good | {"eventId": "e2"}]}
    await produce(broker, name, [b"junk", json.dumps(envelope).encode()], 1)
    folder = configure(tmp_path, CRM, LRS, bootstrap=broker, topic=name)

    async def told(at: str) -> Result:
        return await asyncio.to_thread(run, folder, "--at", at)

    both = await told(f"{name}/1/1")
    assert both.exit_code == 0, both.output
    assert f"e1 of account 1010 ({name}/1/1," in both.output and "e2 of account 1010" in both.output
    one = await told(f"{name}/1/1/1")
    assert "e2 of account 1010" in one.output and "e1 of account" not in one.output
    junk = await told(f"{name}/1/0")
    assert junk.exit_code == 1 and f"event 0 of {name}/1/0: malformed" in junk.output
    for place, why in (
        (f"{name}/1/1/9", "has 2 events: there is no index 9"),
        (f"{name}/1/2", f"{name}/1 holds offsets 0 to 1: 2 is not among them"),
        (f"{name}/0/0", f"{name}/0 holds nothing: 0 is not among them"),
        (f"{name}/7/0", f"{name} has partitions 0 to 1: there is no 7"),
        ("not-there/0/0", "there is no topic not-there"),
    ):
        missing = await told(place)
        assert missing.exit_code == 1 and why in missing.output, missing.output


def test_a_kafka_that_is_away_is_one_sentence(folder: Path) -> None:
    result = run(folder, "--at", "t/0/0")
    assert result.exit_code == 1
    assert result.output == "Error: Kafka is away (127.0.0.1:1): is it up, and is this its address?\n"


@pytest.mark.parametrize("place", ["t", "t/0", "t/x/0", "/0/0", "t/0/0/0/0"])
def test_a_place_that_is_none_says_what_one_looks_like(folder: Path, place: str) -> None:
    result = run(folder, "--at", place)
    assert result.exit_code == 2
    assert "TOPIC/PARTITION/OFFSET" in result.output


@pytest.mark.parametrize("arguments", [(), ("COURSE_COMPLETED", "--at", "t/0/0"), ("--file", "-", "--at", "t/0/0")])
def test_an_event_is_chosen_in_one_way(folder: Path, arguments: tuple[str, ...]) -> None:
    assert run(folder, *arguments).exit_code == 2


def test_an_unknown_subscription_is_refused_with_the_nearest(folder: Path) -> None:
    result = run(folder, "COURSE_COMPLETED", "--only", "cmr")
    assert result.exit_code == 1
    assert "no subscription cmr" in result.output and "did you mean crm?" in result.output


def test_json_has_everything_for_programs(folder: Path) -> None:
    told = json.loads(
        run(folder, "COURSE_COMPLETED", "--account", "1010", "--set", "data.hasPassed=true", "--json").output
    )
    crm, lrs = told["events"][0]["subscriptions"]
    assert (crm["fate"], crm["wanted"], lrs["fate"], lrs["request"]) == ("sent", True, "unnamed", None)
    assert json.loads(crm["request"]["body"])["accountId"] == 1010


def test_credentials_are_masked_unless_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    folder = configure(
        tmp_path,
        "{id: crm, account: '1010', events: ['*'], url: 'https://crm.example/', auth: {bearer: {token: {env: TOKEN}}},"
        " headers: {X-Key: {env: TOKEN}}}",
    )
    masked = run(folder, "CI_STATS", "--only", "crm")
    assert "s3cret" not in masked.output
    assert "Authorization: Bearer ****" in masked.output and "X-Key: ****" in masked.output
    assert "s3cret" not in run(folder, "CI_STATS", "--only", "crm", "--json").output
    curl = run(folder, "CI_STATS", "--only", "crm", "--curl")
    assert "s3cret" not in curl.output and "crm: a credential is masked, --show-secrets shows it" in curl.stderr
    assert "Authorization: Bearer s3cret" in run(folder, "CI_STATS", "--only", "crm", "--show-secrets").output


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.parametrize(
    ("signing", "verifying"),
    [(SECRET, parse_secret(SECRET)), (spelt(PrivateKey.of(b"s" * 32)), PrivateKey.of(b"s" * 32).public)],
    ids=["secret", "key-pair"],
)
def test_a_pasted_curl_is_the_delivery_and_its_signature_holds(
    signing: str, verifying: VerifyingKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", signing)
    with listening(secrets=[verifying]) as (listener, got):
        folder = configure(
            tmp_path,
            f"{{id: crm, account: '1010', events: ['*'], url: '{listener.url}a?b=c&d=e',"
            " auth: {signature: {secrets: [{env: SECRET}]}}}",
        )
        result = run(folder, "COURSE_COMPLETED", "--only", "crm", "--curl", "--set", 'data.title=it\'s "€" $HOME `x`')
        assert result.exit_code == 0, result.output
        pasted = subprocess.run(["sh", "-c", result.stdout], capture_output=True, text=True, timeout=30, check=False)
        assert " 200 OK" in pasted.stdout, pasted.stderr
        assert_delivered(listener, got)


def assert_delivered(listener: Listener, got: list[Received]) -> None:
    (received,) = got
    assert received.verified is True and received.path == "/a?b=c&d=e"
    assert received.headers["Content-Type"] == "application/json"
    _, (sent,) = received.payload()
    assert sent["data"]["title"] == 'it\'s "€" $HOME `x`'


def test_a_curl_takes_the_files_of_its_endpoints_tls(tmp_path: Path) -> None:
    folder = configure(
        tmp_path,
        "{id: crm, account: '1010', events: ['*'], url: 'https://crm.example/',"
        " tls: {ca_file: '/etc/our ca.pem', cert_file: ours.pem, key_file: ours.key}}",
    )
    said = run(folder, "CI_STATS", "--curl").output
    assert "  --cacert '/etc/our ca.pem' \\\n  --cert ours.pem \\\n  --key ours.key \\\n" in said


def test_a_name_that_looks_misspelt_is_told_with_the_nearest(folder: Path) -> None:
    said = run(folder, "COURSE_COMPLETD").output
    assert "(a sample; the name is not in the catalogue (did you mean COURSE_COMPLETED?)," in said
    assert "did you mean" not in run(folder, "BADGE_WORN").output


def test_the_help_teaches_by_example() -> None:
    assert "lmshooks explain --at lms.events/3/1042" in CliRunner().invoke(explain, ["--help"]).output
