"""What must not pass quietly: a folder that vanished, a secret that would break out of its header."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmshooks.config import ConfigurationMistakes, load

DAEMON = "kafka:\n  bootstrap_servers: 127.0.0.1:9092\n  topics: [events]\n"
ENTRY = """subscriptions:
  - id: crm
    account: "1010"
    url: https://crm.example.com/hook
    events: [COURSE_COMPLETED]
    auth: {bearer: {token: {env: TOKEN}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "daemon.yaml").write_text(DAEMON)
    return tmp_path


def test_no_subscription_file_at_all_is_a_mistake(folder: Path) -> None:
    with pytest.raises(ConfigurationMistakes) as caught:
        load(folder, {})
    assert "found no file, expected at least one *.yaml" in str(caught.value.mistakes[0])


def test_an_empty_list_says_that_there_are_none(folder: Path) -> None:
    (folder / "subscriptions").mkdir()
    (folder / "subscriptions" / "none.yaml").write_text("subscriptions: []\n")
    assert load(folder, {}).configuration.subscriptions == {}


def test_a_secret_with_a_line_break_is_refused_and_not_shown(folder: Path) -> None:
    (folder / "subscriptions").mkdir()
    (folder / "subscriptions" / "crm.yaml").write_text(ENTRY)
    assert "crm" in load(folder, {"TOKEN": "fine"}).configuration.subscriptions
    with pytest.raises(ConfigurationMistakes) as caught:
        load(folder, {"TOKEN": "hidden\r\nX-Evil: 1"})
    (mistake,) = caught.value.mistakes
    assert "line break" in str(mistake) and "hidden" not in str(mistake)
