"""A secret's life: made, handed over, rotated without a delivery that cannot be verified."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from standardwebhooks import Webhook

from lmshooks.cli.secret import secret
from lmshooks.cli.trial import test as trial
from lmshooks.core.keys import parse_secret
from lmshooks.listener import Listener
from tests.cli.test_explain import configure
from tests.cli.worlds import listening


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(secret, list(map(str, arguments)))


def entry(url: str, secrets: str = "[{file: secrets/crm}]") -> str:
    return f"{{id: crm, account: '1010', events: ['*'], url: '{url}', auth: {{signature: {{secrets: {secrets}}}}}}}"


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The secret of a subscription, in the folder's own secrets."""
    made = tmp_path / "secrets" / "crm"
    assert run("make", "--file", made, "--config", tmp_path).exit_code == 0
    configure(tmp_path, entry("http://127.0.0.1:1/"))
    return made


def test_a_secret_on_standard_output_is_nothing_but_the_secret() -> None:
    result = run("make")
    assert result.exit_code == 0
    assert len(parse_secret(result.output.removesuffix("\n"))) == 32
    assert run("make").output != result.output
    assert len(parse_secret(run("make", "--bytes", "64").output.strip())) == 64
    assert run("make", "--bytes", "23").exit_code == 2


def test_a_secret_in_a_file_is_its_owners_alone_and_is_not_shown(file: Path, tmp_path: Path) -> None:
    assert mode(file) == 0o600
    other = tmp_path / "secrets" / "other"
    said = run("make", "--file", other, "--config", tmp_path).output
    assert "{file: secrets/other}" in said and other.read_text().strip() not in said


def test_a_file_that_is_there_is_not_written_over(file: Path) -> None:
    before = file.read_text()
    result = run("make", "--file", file)
    assert result.exit_code == 1 and "is there already" in result.output
    assert file.read_text() == before


def test_what_is_handed_over_lets_another_library_verify(file: Path, tmp_path: Path) -> None:
    told = json.loads(run("export", "crm", "--config", tmp_path).stdout)
    assert told["subscription"] == "crm" and told["secrets"] == [file.read_text().strip()]
    assert sorted(told["headers"].values()) == ["webhook-id", "webhook-signature", "webhook-timestamp"]
    example = dict(told["example"])
    body = example.pop("body")
    Webhook(told["secrets"][0]).verify(body, example)  # the example is of now


def test_it_may_be_handed_over_in_a_file_of_its_owners_alone(file: Path, tmp_path: Path) -> None:
    result = run("export", "crm", "--config", tmp_path, "--file", tmp_path / "out.json")
    assert result.exit_code == 0 and file.read_text().strip() not in result.output
    assert mode(tmp_path / "out.json") == 0o600
    assert json.loads((tmp_path / "out.json").read_text())["subscription"] == "crm"


def test_a_subscription_that_does_not_sign_has_nothing_to_hand_over(tmp_path: Path) -> None:
    configure(tmp_path, "{id: crm, account: '1', events: ['*'], url: 'https://x.example/'}")
    result = run("export", "crm", "--config", tmp_path)
    assert result.exit_code == 1
    assert "crm does not sign: its auth is none, expected signature" in result.output


def delivered(folder: Path, listener: Listener) -> bool:
    return CliRunner().invoke(trial, ["crm", "--config", str(folder)]).exit_code == 0


def test_a_rotation_has_no_moment_in_which_the_listener_cannot_verify(file: Path, tmp_path: Path) -> None:
    """The listener's owner knows the old secret, then both, then the new one; each change of ours comes in between."""
    old = file.read_text().strip()
    upcoming = tmp_path / "secrets" / "crm.next"
    with listening(secrets=[parse_secret(old)]) as (owner_knows_old, _):
        configure(tmp_path, entry(owner_knows_old.url))
        begun = run("rotate", file, "--config", tmp_path)
        assert begun.exit_code == 0, begun.output
        new = upcoming.read_text().strip()
        assert mode(upcoming) == 0o600 and new not in begun.output and old not in begun.output
        line = "secrets: [{file: secrets/crm.next}, {file: secrets/crm}]"
        assert line in begun.output and "in crm;" in begun.output
        for next_step in ("secret export crm", f"secret rotate {file}"):
            assert f"lmshooks {next_step} --config {tmp_path} --" in begun.output
        assert delivered(tmp_path, owner_knows_old)

        early = run("rotate", file, "--finish", "--config", tmp_path)
        assert early.exit_code == 1 and "crm signs with the old secret alone: list both first" in early.output
        assert file.read_text().strip() == old

        configure(tmp_path, entry(owner_knows_old.url, line.removeprefix("secrets: ")))
        assert delivered(tmp_path, owner_knows_old)
        assert json.loads(run("export", "crm", "--config", tmp_path).stdout)["secrets"] == [new, old]
    with listening(secrets=[parse_secret(new)]) as (owner_knows_new, _):
        configure(tmp_path, entry(owner_knows_new.url, line.removeprefix("secrets: ")))
        assert delivered(tmp_path, owner_knows_new)
        finished = run("rotate", file, "--finish", "--config", tmp_path)
        assert finished.exit_code == 0, finished.output
        assert "secrets: [{file: secrets/crm}]" in finished.output and f"rm {upcoming}" in finished.output
        assert (file.read_text().strip(), mode(file)) == (new, 0o600)
        assert delivered(tmp_path, owner_knows_new)
        configure(tmp_path, entry(owner_knows_new.url))
        upcoming.unlink()
        assert delivered(tmp_path, owner_knows_new)


def test_a_rotation_is_begun_once_and_finished_after_it_was_begun(file: Path, tmp_path: Path) -> None:
    result = run("rotate", file, "--finish", "--config", tmp_path)
    assert result.exit_code == 1 and "crm.next is not there: begin with" in result.output
    run("rotate", file, "--config", tmp_path)
    again = run("rotate", file, "--config", tmp_path)
    assert again.exit_code == 1
    assert "crm.next is there already, so a rotation is under way: end it with" in again.output


def test_a_file_that_holds_no_secret_is_refused_without_being_shown(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("hunter2")
    result = run("rotate", tmp_path / "bad", "--config", tmp_path)
    assert result.exit_code == 1
    assert "without the prefix whsec_" in result.output and "hunter2" not in result.output


@pytest.mark.parametrize("command", ["make", "export", "rotate"])
def test_every_step_teaches_by_example(command: str) -> None:
    assert f"lmshooks secret {command} " in run(command, "--help").output
