"""What a change would do: against a running daemon, its state topic, and another folder."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lmshooks.cli.applied import from_entries
from lmshooks.cli.asking import Unreachable
from lmshooks.cli.plan import plan
from lmshooks.listener import Answers
from tests.cli.worlds import World, event, listening

KEPT: dict[str, Any] = {"id": "kept", "account": "1010", "events": ["COURSE_*"]}
GOING: dict[str, Any] = {"id": "going", "account": "1010", "events": ["*"]}


@pytest.fixture(scope="module")
def world(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two subscriptions run; one of them has been owed three events for a while."""
    folder = tmp_path_factory.mktemp("plan") / "config"
    with listening() as (good, _), listening(Answers(status=503, retry_after="3600")) as (bad, refused):
        entries = [KEPT | {"url": good.url}, GOING | {"url": bad.url}]
        with World(folder, embedded, entries) as world:
            world.until(lambda told: told["partitions"] and told["partitions"][0]["state"] == "running")
            world.write(*map(event, range(3)))
            world.until(lambda told: any(each["failing_for"] for each in told["subscriptions"]) and refused)
            world.until(lambda told: told["partitions"][0]["committed"] == 3)
            yield world


@pytest.fixture
def changed(world: World, tmp_path: Path) -> Path:
    """A copy of its folder, in which one goes, one comes and one is changed."""
    copy = tmp_path / "next"
    shutil.copytree(world.folder, copy, ignore=shutil.ignore_patterns("*.log", ".fresh"))
    kept, _ = entries(copy)
    write(
        copy, kept | {"url": kept["url"] + "new"}, {"id": "fresh", "account": "*", "events": ["*"], "url": kept["url"]}
    )
    return copy


def entries(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((folder / "subscriptions" / "all.yaml").read_text())["subscriptions"]
    return found


def write(folder: Path, *subscriptions: dict[str, Any]) -> None:
    (folder / "subscriptions" / "all.yaml").write_text(yaml.safe_dump({"subscriptions": list(subscriptions)}))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(plan, list(map(str, arguments)))


def test_the_files_that_run_change_nothing_and_that_is_exit_code_0(world: World) -> None:
    result = run("--config", world.folder)
    assert result.exit_code == 0, result.output
    assert world.url in result.output and result.output.splitlines()[-1] == "plan: nothing changes"


def test_changes_are_exit_code_2_and_what_goes_says_what_it_is_owed(world: World, changed: Path) -> None:
    result = run("--config", changed)
    assert result.exit_code == 2, result.output
    rows = {line.split()[1]: line for line in result.output.splitlines() if line.startswith("  ")}
    assert "going" in rows["removed"] and "kept for 60 min, then forgotten" in rows["removed"]
    assert "owed: 3 events" in rows["removed"]
    assert "fresh" in rows["added"] and "begins at the live position" in rows["added"]
    assert "kept" in rows["endpoint"] and "url: http://127.0.0.1/..." in rows["endpoint"]
    assert result.output.splitlines()[-1] == "plan: 1 added, 1 changed, 1 removed"


def test_json_is_for_programs(world: World, changed: Path) -> None:
    told = json.loads(run("--config", changed, "--json").output)
    assert told["changes"] is True
    assert (told["added"], told["removed"]) == (["fresh"], ["going"])
    assert told["changed"] == [{"id": "kept", "fields": ["url"], "endpoint_only": True}]
    assert told["owed"]["going"]["events"] == 3


def test_the_state_topic_knows_who_is_there_and_what_is_owed_without_a_daemon(world: World, changed: Path) -> None:
    result = run("--config", changed, "--state")
    assert result.exit_code == 2, result.output
    assert f"against the state topic {world.topic}.state" in result.output
    assert "owed: 3 events" in result.output
    assert "changes of urls, events and filters are not seen" in result.output
    assert result.output.splitlines()[-1] == "plan: 1 added, 1 removed"
    same = run("--config", world.folder, "--state")
    assert same.exit_code == 0
    assert same.output.splitlines()[-1] == "plan: nothing changes, as far as the state topic can tell"


def test_where_no_daemon_answers_the_state_topic_is_read_and_that_is_said(world: World, changed: Path) -> None:
    daemon = yaml.safe_load((changed / "daemon.yaml").read_text())
    (changed / "daemon.yaml").write_text(yaml.safe_dump(daemon | {"admin": {"port": 1}}))
    result = run("--config", changed)
    assert result.exit_code == 2
    assert "no daemon answers at http://127.0.0.1:1/configuration" in result.stderr
    assert "this its address? The state topic is read instead." in result.stderr and "the state topic" in result.stdout


def test_a_daemon_that_was_named_and_does_not_answer_is_exit_code_1(world: World) -> None:
    result = run("--config", world.folder, "--url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "no daemon answers at http://127.0.0.1:1/configuration" in result.output


def test_two_folders_need_nobody(world: World, changed: Path) -> None:
    result = run("--config", changed, "--against", world.folder)
    assert result.exit_code == 2
    assert "owed" not in result.output
    assert run("--config", changed, "--against", changed).exit_code == 0


def test_switching_off_and_moving_say_what_follows(world: World, changed: Path) -> None:
    daemon = yaml.safe_load((changed / "daemon.yaml").read_text())
    (changed / "daemon.yaml").write_text(
        yaml.safe_dump(daemon | {"windows": {"nightly": {"at": "02:00"}}, "cadences": {"COURSE_COMPLETED": "windowed"}})
    )
    kept, going = entries(world.folder)
    write(changed, kept | {"window": "nightly"}, going | {"active": False, "resume": "now"})
    said = run("--config", changed).output
    assert "window default -> nightly; it takes its position along" in said
    assert re.search(r"owed: 3 events, the oldest \d+ s old; given up, counted and logged$", said, re.MULTILINE)
    assert "none -> at 02:00:00 (UTC)" in said
    assert "as the catalogue says -> windowed, for what is written from now on" in said
    write(changed, kept, going | {"active": False})
    said = run("--config", changed).output
    assert re.search(r"owed: 3 events, the oldest \d+ s old; held until it is switched on again$", said, re.MULTILINE)


def test_a_change_that_no_outline_shows_is_still_a_change(world: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(world.folder, copy, ignore=shutil.ignore_patterns("*.log"))
    daemon = yaml.safe_load((copy / "daemon.yaml").read_text())
    (copy / "daemon.yaml").write_text(yaml.safe_dump(daemon | {"orphan_grace": "2h"}))
    result = run("--config", copy)
    assert result.exit_code == 2
    assert "the digests differ: a secret, or orphan_grace" in result.output


@pytest.mark.parametrize("arguments", [("--nope",), ("--state", "--against", "/")])
def test_a_wrong_option_does_not_say_that_there_are_changes(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 1


def test_mistakes_in_the_files_are_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "daemon.yaml").write_text("kafka: {}\n")
    assert run("--config", tmp_path).exit_code == 1


def test_a_state_topic_that_is_not_there_is_not_made(world: World, changed: Path) -> None:
    daemon = yaml.safe_load((changed / "daemon.yaml").read_text())
    daemon["kafka"]["state_topic"] = "not-there"
    (changed / "daemon.yaml").write_text(yaml.safe_dump(daemon))
    for _ in range(2):
        result = run("--config", changed, "--state")
        assert result.exit_code == 1
        assert "there is no topic not-there" in result.output


def test_an_empty_state_topic_says_so() -> None:
    with pytest.raises(Unreachable, match="no daemon has run on it yet"):
        from_entries((), 0.0, "lmshooks.state")


def test_the_help_teaches_by_example() -> None:
    said = run("--help").output
    assert "lmshooks plan --against deployed" in said and "2 there are changes" in said


def test_in_ci_two_folders_are_compared_without_their_secrets(world: World, tmp_path: Path) -> None:
    kept, _ = entries(world.folder)
    folders = tmp_path / "base", tmp_path / "next"
    for folder, name in zip(folders, ("NOT_SET_A", "NOT_SET_B"), strict=True):
        shutil.copytree(world.folder, folder, ignore=shutil.ignore_patterns("*.log", ".fresh"))
        write(folder, kept | {"auth": {"signature": {"secrets": [{"env": name}]}}})
    base, changed = folders
    assert run("--config", base, "--against", base).exit_code == 1
    assert run("--config", base, "--against", base, "--without-secrets").exit_code == 0
    result = run("--config", changed, "--against", base, "--without-secrets")
    assert result.exit_code == 2 and "kept  auth: " in result.output, result.output
    assert "secrets are compared by their references" in result.output


def test_a_daemon_has_secrets_and_is_not_compared_without_them(world: World) -> None:
    result = run("--config", world.folder, "--without-secrets")
    assert result.exit_code == 1 and "--without-secrets needs --against" in result.output
