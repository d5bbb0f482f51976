"""Does `lmshooks check` tell people and programs what is wrong, and where?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lmshooks.cli import group
from lmshooks.cli.check import check

DAEMON = "kafka: {bootstrap_servers: 'localhost:9092', topics: [lms.events]}\n"
ENTRY = """subscriptions:
  - id: crm
    account: "1010"
    events: [COURSE_COMPLETED]
    url: https://crm.example.com/hook
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "daemon.yaml").write_text(DAEMON)
    (tmp_path / "subscriptions").mkdir()
    (tmp_path / "subscriptions" / "crm.yaml").write_text(ENTRY)
    return tmp_path


def run(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(check, ["--config", str(folder), *options])


def test_a_valid_folder_is_summed_up(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0
    assert result.stdout.startswith("valid: 1 subscription, version ")
    told = json.loads(run(folder, "--json").stdout)
    assert (told["valid"], told["subscriptions"], told["warnings"]) == (True, ["crm"], [])


def test_every_mistake_is_told_with_its_line_on_stderr(folder: Path) -> None:
    (folder / "daemon.yaml").write_text(DAEMON + "logs: {level: loud}\n")
    (folder / "subscriptions" / "crm.yaml").write_text(ENTRY + "    evnts: [A]\n    auth: {bearer: {token: hunter2}}\n")
    result = run(folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.replace(f"{folder}/", "") == (
        "daemon.yaml:2:15: logs.level: found 'loud', expected one of debug, info, warning, error\n"
        "    logs: {level: loud}\n"
        "                  ^\n"
        "subscriptions/crm.yaml:6:5: subscriptions.0.evnts: found an unknown key, expected a known one; "
        "did you mean events?\n"
        "        evnts: [•••]\n"
        "        ^\n"
        "subscriptions/crm.yaml:7:28: subscriptions.0.auth.bearer.token: found a secret written out, "
        "expected {env: NAME} or {file: PATH}; secrets do not belong in these files\n"
        "        auth: {bearer: {token: •••}}\n"
        "                               ^\n"
        "3 mistakes\n"
    )


def test_programs_get_the_mistakes_as_fields(folder: Path) -> None:
    (folder / "daemon.yaml").write_text(DAEMON + "logs: {level: inf}\n")
    result = run(folder, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "valid": False,
        "mistakes": [
            {
                "file": f"{folder}/daemon.yaml",
                "line": 2,
                "column": 15,
                "path": "logs.level",
                "found": "'inf'",
                "expected": "one of debug, info, warning, error",
                "hint": "did you mean info?",
                "source": "logs: {level: inf}",
                "caret": 14,
            }
        ],
    }


def test_a_doubt_is_told_and_is_no_mistake(folder: Path) -> None:
    (folder / "subscriptions" / "crm.yaml").write_text(ENTRY.replace("COMPLETED", "COMPLETE"))
    result = run(folder)
    assert result.exit_code == 0
    assert "did you mean COURSE_COMPLETED?" in result.stderr


SIGNED = """\
    auth: {signature: {secrets: [{env: NO_SUCH_SECRET}, {file: no/such/file}]}}
    headers: {X-Key: {env: NO_KEY}}
"""


def test_where_there_are_no_secrets_everything_else_is_checked(folder: Path) -> None:
    (folder / "subscriptions" / "crm.yaml").write_text(ENTRY + SIGNED)
    assert run(folder).stderr.endswith("3 mistakes\n")
    result = run(folder, "--without-secrets")
    assert (result.exit_code, result.stdout) == (0, "valid: 1 subscription; secrets were not looked up\n")
    told = json.loads(run(folder, "--without-secrets", "--json").stdout)
    assert (told["valid"], told["version"], told["subscriptions"]) == (True, None, ["crm"])


@pytest.mark.parametrize("wrong", ["hunter2", "{env: ''}", "{evn: A}", "[]", "{env: A, file: b}"])
def test_a_secret_that_is_no_reference_is_a_mistake_without_secrets_too(folder: Path, wrong: str) -> None:
    (folder / "subscriptions" / "crm.yaml").write_text(ENTRY + f"    auth: {{bearer: {{token: {wrong}}}}}\n")
    result = run(folder, "--without-secrets")
    assert result.exit_code == 1 and "auth.bearer.token" in result.stderr and "hunter2" not in result.stderr


@pytest.mark.parametrize(("no_color", "styled"), [("", True), ("1", False)])
def test_no_color_is_heeded(folder: Path, no_color: str, styled: bool) -> None:
    (folder / "daemon.yaml").write_text("kafka: {}\n")
    arguments = ["check", "--config", str(folder)]
    result = CliRunner().invoke(group, arguments, color=True, env={"NO_COLOR": no_color})
    assert ("\x1b[" in result.stderr) is styled


def test_a_tls_file_that_is_not_there_is_a_doubt_where_the_daemon_runs(folder: Path) -> None:
    (folder / "ca.pem").touch()
    tls = f"{{ca_file: {folder}/ca.pem, cert_file: {folder}/no.pem}}"
    (folder / "subscriptions" / "crm.yaml").write_text(ENTRY + f"    tls: {tls}\n")
    (warning,) = json.loads(run(folder, "--json").stdout)["warnings"]
    assert warning.startswith(f"crm: tls.cert_file names {folder}/no.pem, which is not there;")
    assert json.loads(run(folder, "--json", "--without-secrets").stdout)["warnings"] == []
