"""Does `lmshooks schema` print the schemas, and does no command pay for models that it does not use?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from lmshooks.cli.schema import OF_EVENTS, SCHEMAS, schema

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_it_prints_a_schema(name: str) -> None:
    result = CliRunner().invoke(schema, [name])
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(printed)


def test_it_lists_what_there_is() -> None:
    assert [line.split()[0] for line in CliRunner().invoke(schema, ["--list"]).stdout.splitlines()] == list(SCHEMAS)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(schema, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_kind_prints_the_published_schema(kind: str) -> None:
    published = "contracts/{}/any.schema.json" if kind in OF_EVENTS else "schemas/{}.schema.json"
    assert run(kind) == (0, (DOCS / published.format(kind)).read_text())


@pytest.mark.parametrize("kind", OF_EVENTS)
@pytest.mark.parametrize("name", ["COURSE_COMPLETED", "RESPONSE:ASYNCAPI_USERGROUP_USER_ADDED"])
def test_an_event_name_prints_its_own(kind: str, name: str) -> None:
    published = DOCS / "contracts" / kind / f"{name.replace(':', '.')}.schema.json"
    assert run(kind, name) == (0, published.read_text())


def test_an_unknown_event_name_is_refused_with_the_nearest() -> None:
    code, said = run("bodies", "COURSE_COMPLETE")
    assert code == 2
    assert "COURSE_COMPLETE is not in the catalogue (did you mean COURSE_COMPLETED?)" in said


def test_a_kind_of_file_has_no_event_names() -> None:
    code, said = run("daemon", "COURSE_COMPLETED")
    assert code == 2
    assert "daemon is a kind of file: only records and bodies have schemas of event names" in said


@pytest.mark.parametrize("arguments", [[], ["daemon", "--list"], ["deamon"]])
def test_it_says_what_can_be_asked_for(arguments: list[str]) -> None:
    result = CliRunner().invoke(schema, arguments)
    assert result.exit_code == 2
    assert "daemon" in result.stderr and "subscriptions" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["status", "--url", "http://127.0.0.1:1"],
        ["status", "--config", "config"],
        ["listen", "--help"],
        ["emit", "--bootstrap", "127.0.0.1:1", "--topic", "t", "--count", "0"],
        ["schema", "--list"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_that_reads_no_settings_does_not_import_the_models(command: list[str]) -> None:
    code = (
        "import sys\nfrom lmshooks.cli import group\n"
        "try: group(sys.argv[1:], prog_name='lmshooks')\nexcept SystemExit: pass\n"
        "assert 'click' in sys.modules\nassert 'pydantic' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], check=False, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
