"""Is every mistake told exactly, at its line? One fixture a mistake: NAME.yaml, and in NAME.txt what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmshooks.config import ConfigurationMistakes, load

BAD = Path(__file__).parent / "bad"
ENVIRON = {"TOKEN": "sesame-0001", "BAD_SECRET": "sesame-0002"}
DAEMON = "kafka: {bootstrap_servers: localhost:9092, topics: [lms.events]}\nwindows: {nightly: {at: '22:30'}}\n"
GOOD = """subscriptions:
  id: one
  account: 1001
  url: https://hooks.example.com/one
  auth: {bearer: {token: {env: TOKEN}}}
  name: no
  events: [COURSE_COMPLETED]
  window: nightly
"""


def folder(tmp_path: Path, subscriptions: bytes, daemon: bytes = DAEMON.encode()) -> Path:
    (tmp_path / "subscriptions").mkdir(exist_ok=True)
    (tmp_path / "daemon.yaml").write_bytes(daemon)
    (tmp_path / "subscriptions" / "a.yaml").write_bytes(subscriptions)
    return tmp_path


def told(directory: Path) -> str:
    with pytest.raises(ConfigurationMistakes) as caught:
        load(directory, ENVIRON)
    assert "hunter2" not in repr(caught.value.mistakes)
    assert not any(secret in repr(caught.value.mistakes) for secret in ENVIRON.values())
    return str(caught.value).replace(f"{directory}/", "")


@pytest.mark.parametrize("name", sorted(path.stem for path in BAD.glob("*.yaml")))
def test_a_mistake_is_told_exactly(name: str, tmp_path: Path) -> None:
    content = (BAD / f"{name}.yaml").read_bytes()
    if name.startswith("daemon-"):
        directory = folder(tmp_path, GOOD.replace("  window: nightly\n", "").encode(), content)
    else:
        directory = folder(tmp_path, content)
    assert told(directory) == (BAD / f"{name}.txt").read_text().rstrip("\n")


def test_there_are_at_least_forty_fixtures() -> None:
    assert len(list(BAD.glob("*.yaml"))) >= 40


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    broken = GOOD.replace("COURSE_COMPLETED", "").replace("https", "ftp").encode()
    assert len(told(folder(tmp_path, broken, DAEMON.replace("22:30", "99:30").encode())).splitlines()) == 4


def test_words_and_numbers_stay_what_they_look_like(tmp_path: Path) -> None:
    loaded = load(folder(tmp_path, GOOD.encode()), ENVIRON)
    one = loaded.configuration.subscriptions["one"]
    assert (one.account, one.name, one.window) == ("1001", "no", "nightly")
    assert "sesame" not in repr(loaded)


def test_the_version_changes_with_a_secret_and_only_with_a_change(tmp_path: Path) -> None:
    directory = folder(tmp_path, GOOD.encode())
    first = load(directory, ENVIRON).configuration.version
    assert load(directory, ENVIRON).configuration.version == first
    assert load(directory, ENVIRON | {"TOKEN": "another"}).configuration.version != first


def test_the_instance_is_named_in_the_file_or_by_the_environment(tmp_path: Path) -> None:
    """Replicas share their files: what tells them apart comes from outside."""
    for named, expected in (("{env: POD_NAME}", "lmshooks-1"), ("hooks-a", "hooks-a")):
        daemon = DAEMON.replace("topics:", f"instance_id: {named}, topics:").encode()
        loaded = load(folder(tmp_path, GOOD.encode(), daemon), ENVIRON | {"POD_NAME": "lmshooks-1"})
        assert loaded.daemon.kafka.instance_id == expected


def test_a_name_close_to_a_known_event_is_a_warning(tmp_path: Path) -> None:
    loaded = load(folder(tmp_path, GOOD.replace("COURSE_COMPLETED", "COURSE_COMPLETE").encode()), ENVIRON)
    assert "did you mean COURSE_COMPLETED?" in loaded.warnings[0]


def test_the_commented_example_is_valid() -> None:
    assert load(Path(__file__).parents[2] / "config", {}).configuration.subscriptions
