"""A shell completes what a person begins to type: a real bash, with the script that is printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lmshooks.cli import COMMANDS, group
from tests.cli.test_explain import CRM, LRS, OTHER, configure

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


def complete(folder: Path, line: str) -> list[str]:
    """What bash offers at the end of the line."""
    bin_folder = Path(sys.executable).parent
    script = f"""
        eval "$(lmshooks completion bash)"
        read -ra COMP_WORDS <<< {line.rstrip()!r}
        [[ {line!r} == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        $(complete -p lmshooks | sed 's/.*-F \\([^ ]*\\).*/\\1/') lmshooks
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environ = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "LMSHOOKS_CONFIG": str(folder)}
    found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environ, timeout=60, check=True)
    assert not found.stderr, found.stderr
    return found.stdout.split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return configure(tmp_path, CRM, LRS, OTHER)


def test_commands_are_offered(folder: Path) -> None:
    assert set(complete(folder, "lmshooks ")) == set(COMMANDS)
    assert complete(folder, "lmshooks expl") == ["explain"]


@pytest.mark.parametrize("command", ["test", "resume", "secret export", "explain CI_STATS --only"])
def test_subscription_ids_are_the_configurations(folder: Path, command: str) -> None:
    assert complete(folder, f"lmshooks {command} ") == ["crm", "lrs", "other"]
    assert complete(folder, f"lmshooks {command} l") == ["lrs"]


def test_ids_are_those_of_the_folder_that_was_named(folder: Path, tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    configure(elsewhere, LRS)
    assert complete(folder, f"lmshooks test --config {elsewhere} ") == ["lrs"]


def test_ids_are_offered_where_there_are_no_secrets(folder: Path) -> None:
    file = next((folder / "subscriptions").iterdir())
    file.write_text(
        file.read_text() + "- {id: signed, account: '7', events: ['*'], url: 'https://x.example/',"
        " auth: {bearer: {token: {env: NOT_SET}}}}\n"
    )
    assert complete(folder, "lmshooks test si") == ["signed"]


@pytest.mark.parametrize("command", ["explain", "test crm", "init --event", "emit --event"])
def test_event_names_are_the_catalogues(folder: Path, command: str) -> None:
    assert complete(folder, f"lmshooks {command} course_com") == ["COURSE_COMPLETED", "COURSE_COMPLETED_BATCH"]


def test_a_configuration_with_mistakes_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "daemon.yaml").write_text("kafka: {}\n")
    assert complete(tmp_path, "lmshooks test ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(shell: str) -> None:
    result = CliRunner().invoke(group, ["completion", shell])
    assert result.exit_code == 0 and f"_LMSHOOKS_COMPLETE={shell}_complete" in result.output


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ("chek", "check"),
        ("secret mak", "make"),
        ("dead-letters lst", "list"),
        ("xyzzy", None),
        ("dead-letters xyzzy", None),
    ],
)
def test_a_command_that_is_none_is_refused_with_the_nearest(line: str, near: str | None) -> None:
    result = CliRunner().invoke(group, line.split())
    hint = f" (did you mean {near}?)" if near else ""
    assert result.exit_code == 2
    assert f"Error: there is no command {line.split()[-1]}{hint}\n" in result.output
