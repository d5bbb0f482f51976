"""Does `lmshooks schema` print the schemas, and does no command pay for models that it does not use?"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from lmshooks.cli.schema import SCHEMAS, schema


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_it_prints_a_schema(name: str) -> None:
    result = CliRunner().invoke(schema, [name])
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(printed)


def test_it_lists_what_there_is() -> None:
    assert [line.split()[0] for line in CliRunner().invoke(schema, ["--list"]).stdout.splitlines()] == list(SCHEMAS)


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
