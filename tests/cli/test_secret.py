"""A secret's life: made, handed over, rotated without a delivery that cannot be verified."""

from __future__ import annotations

import json
import stat
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from lmshooks.cli.secret import secret
from lmshooks.cli.trial import test as trial
from lmshooks.core.keys import PrivateKey, parse_secret, parse_signing_key, parse_verifying_key, spelt
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


@pytest.fixture
def pair(tmp_path: Path) -> PrivateKey:
    """The key pair of a subscription; its private key is in the folder's secrets."""
    made = tmp_path / "secrets" / "crm"
    assert run("make", "--key-pair", "--file", made, "--config", tmp_path).exit_code == 0
    configure(tmp_path, entry("http://127.0.0.1:1/"))
    key = parse_signing_key(made.read_text().strip())
    assert isinstance(key, PrivateKey)
    return key


def test_a_private_key_on_standard_output_is_nothing_but_the_key() -> None:
    result = run("make", "--key-pair")
    assert result.exit_code == 0
    key = parse_signing_key(result.stdout.removesuffix("\n"))
    assert isinstance(key, PrivateKey)
    assert spelt(key.public) in result.stderr and result.stdout.strip() not in result.stderr
    assert run("make", "--key-pair").stdout != result.stdout
    both = run("make", "--key-pair", "--bytes", "32")
    assert both.exit_code == 2 and "leave one of them out" in both.output


def test_the_private_key_is_its_owners_alone_and_the_public_one_lies_beside_it(
    pair: PrivateKey, tmp_path: Path
) -> None:
    assert mode(tmp_path / "secrets" / "crm") == 0o600
    public, plain = tmp_path / "secrets" / "crm.pub", tmp_path / "plain"
    plain.touch()
    assert parse_verifying_key(public.read_text().strip()) == pair.public
    assert mode(public) == mode(plain) & 0o644  # as far as the umask allows
    other = tmp_path / "secrets" / "other"
    said = run("make", "--key-pair", "--file", other, "--config", tmp_path).output
    assert "{file: secrets/other}" in said and other.read_text().strip() not in said
    assert f"wrote {other}.pub (the public key): that is what the listener's owner gets" in said


@pytest.mark.parametrize("there", ["secret", "crm.pub"])
def test_neither_half_of_a_pair_is_written_over_or_left_alone(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("kept")
    result = run("make", "--key-pair", "--file", tmp_path / there.removesuffix(".pub"))
    assert result.exit_code == 1 and f"{there} is there already" in result.output
    assert [each.name for each in tmp_path.iterdir()] == [there] and (tmp_path / there).read_text() == "kept"


def test_what_is_handed_over_of_a_key_pair_verifies_and_cannot_sign(pair: PrivateKey, tmp_path: Path) -> None:
    result = run("export", "crm", "--config", tmp_path)
    told = json.loads(result.stdout)
    assert (told["secrets"], told["public_keys"]) == ([], [spelt(pair.public)])
    assert told["algorithm"] == "Ed25519, base64, prefixed v1a," and "after whpk_ stands" in told["key"]
    assert spelt(pair) not in result.output and b64encode(pair.seed).decode()[:-2] not in result.output
    example = told["example"]
    content = f"{example['webhook-id']}.{example['webhook-timestamp']}.{example['body']}".encode()
    key = Ed25519PublicKey.from_public_bytes(b64decode(told["public_keys"][0].removeprefix("whpk_")))
    key.verify(b64decode(example["webhook-signature"].removeprefix("v1a,")), content)
    wrote = run("export", "crm", "--config", tmp_path, "--file", tmp_path / "out.json").output
    assert "it holds public keys and no secret" in wrote


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


@pytest.mark.parametrize("first", ["secret", "pair"])
def test_a_secret_becomes_a_key_pair_and_a_pair_another_without_a_gap(
    first: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("file" if first == "secret" else "pair")
    file, upcoming = tmp_path / "secrets" / "crm", tmp_path / "secrets" / "crm.next"
    old = parse_signing_key(file.read_text().strip())
    with listening(secrets=[old.public if isinstance(old, PrivateKey) else old]) as (owner_knows_old, _):
        begun = run("rotate", file, "--config", tmp_path, *["--key-pair"] * (first == "secret"))
        assert begun.exit_code == 0, begun.output
        new = parse_signing_key(upcoming.read_text().strip())
        assert isinstance(new, PrivateKey) and new != old
        assert spelt(new) not in begun.output and mode(upcoming) == 0o600
        both = "[{file: secrets/crm.next}, {file: secrets/crm}]"
        assert f"secrets: {both}" in begun.output
        configure(tmp_path, entry(owner_knows_old.url, both))
        assert delivered(tmp_path, owner_knows_old)
    told = json.loads(run("export", "crm", "--config", tmp_path).stdout)
    public = [spelt(key.public) for key in (new, old) if isinstance(key, PrivateKey)]
    assert (told["secrets"], told["public_keys"]) == ([] if first == "pair" else [spelt(old)], public)
    with listening(secrets=[new.public]) as (owner_knows_new, _):
        configure(tmp_path, entry(owner_knows_new.url, both))
        assert delivered(tmp_path, owner_knows_new)
        finished = run("rotate", file, "--finish", "--config", tmp_path)
        assert finished.exit_code == 0, finished.output
        assert f"rm {upcoming} {upcoming}.pub" in finished.output and "holds the new private key" in finished.output
        assert (parse_signing_key(file.read_text().strip()), mode(file)) == (new, 0o600)
        assert (tmp_path / "secrets" / "crm.pub").read_text().strip() == spelt(new.public)
        configure(tmp_path, entry(owner_knows_new.url))
        assert delivered(tmp_path, owner_knows_new)


def test_the_kind_of_the_new_one_is_chosen_when_a_rotation_begins(file: Path, tmp_path: Path) -> None:
    result = run("rotate", file, "--finish", "--key-pair", "--config", tmp_path)
    assert result.exit_code == 2 and "leave one out" in result.output


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
