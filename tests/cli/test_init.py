"""A first configuration: from options, from answers at a terminal, and never over what is there."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from lmshooks.cli.init import init
from lmshooks.config import load, schemas
from lmshooks.core.subscriptions import SignatureAuth


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(init, ["--config", str(folder), *arguments])


LOCAL = ("--account", "1010", "--url", "http://127.0.0.1:8099/")


def test_options_are_enough_and_what_is_written_is_valid(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    result = run(
        folder, "--id", "crm", "--account", "007", "--url", "https://crm.example.com/hooks",
        "--event", "COURSE_COMPLETED", "--event", "LEARNING_PATH_*", "--bootstrap", "a:9092,b:9092",
        "--topic", "events",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    loaded = load(folder, {})
    (one,) = loaded.configuration.subscriptions.values()
    assert (one.id, one.account, one.events) == ("crm", "007", ("COURSE_COMPLETED", "LEARNING_PATH_*"))
    assert isinstance(one.endpoint.auth, SignatureAuth)
    assert loaded.daemon.kafka.bootstrap_servers == "a:9092,b:9092"
    assert loaded.daemon.kafka.topics == ("events",)
    assert not loaded.daemon.egress.allow_http and not loaded.daemon.egress.allow_networks
    secret = folder / "secrets" / "crm"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text().strip() not in result.output
    assert "*" in (folder / "secrets" / ".gitignore").read_text().splitlines()
    assert len((folder / "subscriptions" / "crm.yaml").read_text().splitlines()) == 11


def test_the_next_commands_are_told_as_they_are_to_be_typed(tmp_path: Path) -> None:
    folder = tmp_path / "try"
    said = run(folder, *LOCAL, "--single-broker").output
    assert f"lmshooks listen --port 8099 --secret-file {folder}/secrets/first " in said
    assert f"lmshooks test first --config {folder} " in said
    assert f"lmshooks run --config {folder} " in said
    loaded = load(folder, {})
    assert loaded.daemon.egress.allow_http and loaded.daemon.egress.allow_networks == ("127.0.0.0/8",)
    assert (loaded.daemon.kafka.replication_factor, loaded.daemon.kafka.retention_check) == (1, "warn")


@pytest.mark.parametrize(
    ("url", "networks", "http"),
    [
        ("https://localhost:8443/", ("127.0.0.0/8",), False),
        ("http://[::1]:80/", ("::1/128",), True),
        ("http://hooks.example.com/", (), True),
    ],
)
def test_the_guard_is_opened_no_further_than_the_url_needs(
    tmp_path: Path, url: str, networks: tuple[str, ...], http: bool
) -> None:
    assert run(tmp_path, "--id", "x", "--account", "*", "--url", url, "--auth", "none").exit_code == 0
    egress = load(tmp_path, {}).daemon.egress
    assert (egress.allow_networks, egress.allow_http) == (networks, http)
    assert not (tmp_path / "secrets").exists()


def test_a_second_subscription_is_added_and_the_first_files_stay(tmp_path: Path) -> None:
    assert run(tmp_path, *LOCAL).exit_code == 0
    daemon = (tmp_path / "daemon.yaml").read_text()
    result = run(tmp_path, *LOCAL, "--id", "second")
    assert result.exit_code == 0, result.output
    assert f"kept  {tmp_path}/daemon.yaml" in result.output and "valid: 2 subscriptions" in result.output
    assert (tmp_path / "daemon.yaml").read_text() == daemon
    assert sorted(load(tmp_path, {}).configuration.subscriptions) == ["first", "second"]


def test_nothing_is_written_over_without_force(tmp_path: Path) -> None:
    run(tmp_path, *LOCAL)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for arguments, why in (
        (LOCAL, "is there already: choose another --id"),
        ((*LOCAL, "--id", "new", "--topic", "t"), "daemon.yaml is there already"),
    ):
        result = run(tmp_path, *arguments)
        assert result.exit_code == 1 and why in result.output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert run(tmp_path, *LOCAL, "--topic", "t", "--force").exit_code == 0
    assert load(tmp_path, {}).daemon.kafka.topics == ("t",)
    assert stat.S_IMODE((tmp_path / "secrets" / "first").stat().st_mode) == 0o600


def test_what_would_not_be_valid_is_not_left_behind(tmp_path: Path) -> None:
    run(tmp_path, *LOCAL)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = run(tmp_path, "--id", "bad", "--account", "1", "--url", "htp://x", "--event", "A B")
    assert result.exit_code == 1
    assert "nothing is written" in result.output and "bad.yaml:" in result.output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    forced = run(tmp_path, "--id", "first", "--account", "1", "--url", "htp://x", "--force")
    assert forced.exit_code == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_would_not_be_valid_leaves_no_folder_behind_either(tmp_path: Path) -> None:
    result = run(tmp_path / "a" / "b", "--account", "1", "--url", "htp://x", "--id", "x")
    assert result.exit_code == 1 and list(tmp_path.iterdir()) == []


def test_an_editor_finds_the_schema_of_each_file(tmp_path: Path) -> None:
    assert run(tmp_path, *LOCAL).exit_code == 0
    for file, kind in (("daemon.yaml", "daemon"), ("subscriptions/first.yaml", "subscriptions")):
        text = (tmp_path / file).read_text()
        named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        found = json.loads((tmp_path / file).parent.joinpath(named).read_text())
        assert found == json.loads(schemas.text(kind))
        jsonschema.validate(yaml.safe_load(text), found)


def test_an_event_name_that_looks_misspelt_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, *LOCAL, "--event", "COURSE_COMPLETD")
    assert result.exit_code == 0 and "did you mean COURSE_COMPLETED?" in result.stderr


def test_where_nobody_can_be_asked_what_is_missing_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, "--account", "1010")
    assert result.exit_code == 2
    assert "nobody can be asked here: give --url" in result.output


def test_at_a_terminal_it_asks_with_defaults(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lmshooks", "init", "--config", str(tmp_path)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = bytearray()
    try:
        for question, answer in (
            ("Account id", "*"),
            ("URL of the listener", "crm.example.com/h"),
            ("Error: found 'crm.example.com/h', expected a URL", "https://crm.example.com/h"),
            ("Id of the subscription [crm-example-com]", ""),
            ("Events, names or globs [COURSE_*]", "COURSE_COMPLETED, LEARNER_PROGRESS"),
            ("Authentication (signature, none) [signature]", "signed"),
            ("Error: 'signed' is not one of", ""),
            ("Kafka's address [localhost:9092]", ""),
            ("Source topic [lms.events]", "events"),
        ):
            read_until(ours, said, question)
            os.write(ours, f"{answer}\n".encode())
        read_until(ours, said, "lmshooks run")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    (one,) = load(tmp_path, {}).configuration.subscriptions.values()
    assert (one.id, one.account, one.events) == ("crm-example-com", "*", ("COURSE_COMPLETED", "LEARNER_PROGRESS"))


def read_until(ours: int, said: bytearray, text: str, timeout: float = 30.0) -> None:
    end = time.monotonic() + timeout
    while text.encode() not in said:
        ready, _, _ = select.select([ours], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{text!r} did not come: {said.decode()}"
        said.extend(os.read(ours, 65536))


def test_the_help_teaches_by_example() -> None:
    assert "lmshooks init --id crm --account 1010" in CliRunner().invoke(init, ["--help"]).output
