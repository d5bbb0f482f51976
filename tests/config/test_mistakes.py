"""Is every mistake told exactly, at its line? One fixture a mistake: NAME.yaml, and in NAME.txt what a person reads."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from unittest.mock import ANY

import pytest

from lmshooks.config import ConfigurationMistakes, load

BAD = Path(__file__).parent / "bad"
PUBLIC = "1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ENVIRON = {
    "TOKEN": "sesame-0001",
    "BAD_SECRET": "sesame-0002",
    "PUBLIC_KEY": f"whpk_{PUBLIC}",
    "SHORT_KEY": f"whsk_{PUBLIC}",
    "TWO_KEYS": "whsk_" + b64encode(b"\1" * 32 + b64decode(PUBLIC)).decode(),
    "CUT_KEY": f"whsk_{PUBLIC[:-3]}",
}
DAEMON = "kafka: {bootstrap_servers: localhost:9092, topics: [lms.events]}\nwindows: {nightly: {at: '22:30'}}\n"
GOOD = """subscriptions:
  - id: one
    account: 1001
    url: https://hooks.example.com/one
    events: [COURSE_COMPLETED]
"""


def folder(tmp_path: Path, subscriptions: str | bytes = GOOD, daemon: str | bytes = DAEMON) -> Path:
    (tmp_path / "subscriptions").mkdir(exist_ok=True)
    for name, content in (("daemon.yaml", daemon), ("subscriptions/a.yaml", subscriptions)):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def told(directory: Path) -> list[str]:
    """Every mistake as a terminal shows it."""
    with pytest.raises(ConfigurationMistakes) as caught:
        load(directory, ENVIRON)
    mistakes = caught.value.mistakes
    assert not any(secret in repr(mistakes) for secret in ("hunter2", *ENVIRON.values()))
    assert str(caught.value) == "\n".join(map(str, mistakes))
    return [mistake.shown().replace(f"{directory}/", "").replace(str(directory), "DIRECTORY") for mistake in mistakes]


@pytest.mark.parametrize("name", sorted(path.stem for path in BAD.glob("*.yaml")))
def test_a_mistake_is_told_exactly(name: str, tmp_path: Path) -> None:
    content = (BAD / f"{name}.yaml").read_bytes()
    wrong = {"daemon": content} if name.startswith("daemon-") else {"subscriptions": content}
    assert told(folder(tmp_path, **wrong)) == [(BAD / f"{name}.txt").read_text().rstrip("\n")]


def test_there_are_at_least_sixty_fixtures() -> None:
    assert len(list(BAD.glob("*.yaml"))) >= 60


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    directory = folder(
        tmp_path,
        GOOD.replace("[COURSE_COMPLETED]", "[]").replace("https", "ftp")
        + "    active: on\n    filter: {any: [{a: {x: 1}}, {b: {y: 1}}]}\n",
        DAEMON.replace("22:30", "99:30") + "logs: {level: loud}\n",
    )
    (tmp_path / "subscriptions" / "b.yaml").write_text("subscriptions: [\n")
    assert [text.split(": ")[1] for text in told(directory)] == [
        "windows.nightly.at",
        "logs.level",
        "subscriptions.0.url",
        "subscriptions.0.events",
        "subscriptions.0.active",
        "subscriptions.0.filter.any.0.a.x",
        "subscriptions.0.filter.any.1.b.y",
        ANY,
    ]


def test_a_window_that_is_wrong_is_no_mistake_of_who_uses_it(tmp_path: Path) -> None:
    directory = folder(tmp_path, GOOD + "    window: nightly\n", DAEMON.replace("22:30", "late"))
    assert ["windows.nightly.at" in text for text in told(directory)] == [True]


def test_an_account_with_too_many_is_told_once(tmp_path: Path) -> None:
    entries = "".join(GOOD.split("\n", 1)[1].replace("id: one", f"id: n{number}") for number in range(9))
    assert len(told(folder(tmp_path, f"subscriptions:\n{entries}"))) == 1


def test_a_line_shows_no_neighbour_and_no_comment(tmp_path: Path) -> None:
    secret = "auth: {bearer: {token: hunter2}}"
    entry = "id: {}, account: 1, url: 'https://example.com', events: [A], {}"
    text = f"subscriptions: [{{{entry.format('a', 'max_events: 0')}}}, {{{entry.format('b', secret)}}}] # hunter2"
    first, second = told(folder(tmp_path, text))
    assert first.split("\n")[1].endswith("events: [A], max_events: 0}")
    assert second.split("\n")[1].lstrip().startswith("… ")
    assert second.split("\n")[2].index("^") == second.split("\n")[1].index("•••}}")


def test_a_long_line_is_cut_around_the_spot(tmp_path: Path) -> None:
    noise = ", ".join(f"EVENT_{number}" for number in range(200))
    (text,) = told(folder(tmp_path, GOOD.replace("[COURSE_COMPLETED]", f"[{noise}, 'a b', {noise}]")))
    _, line, caret = text.split("\n")
    assert len(line) < 130
    assert line[caret.index("^") :].startswith("'a b'")


def test_a_folder_without_files_is_a_mistake(tmp_path: Path) -> None:
    (folder(tmp_path) / "subscriptions" / "a.yaml").unlink()
    assert told(tmp_path) == [
        "subscriptions:1:1: found no file, expected one *.yaml or more; "
        "a file with `subscriptions: []` says that there are none"
    ]


def test_no_daemon_file_is_the_only_mistake(tmp_path: Path) -> None:
    (folder(tmp_path, GOOD + "    window: nightly\n") / "daemon.yaml").unlink()
    assert told(tmp_path) == [
        "daemon.yaml:1:1: found no file, expected one; `lmshooks init` writes a first configuration"
    ]


@pytest.mark.parametrize("value", ["a\nb", "a\x1bb"])
def test_a_secret_that_would_break_out_of_its_header_is_refused(value: str, tmp_path: Path) -> None:
    directory = folder(tmp_path, GOOD + "    auth: {bearer: {token: {env: TOKEN}}}\n")
    with pytest.raises(ConfigurationMistakes) as caught:
        load(directory, {"TOKEN": value})
    (mistake,) = caught.value.mistakes
    assert mistake.found == "a secret with a line break or control character"
    assert mistake.path == "subscriptions.0.auth.bearer.token.env"


def test_what_is_nested_without_end_is_told(tmp_path: Path) -> None:
    (text,) = told(folder(tmp_path, "subscriptions: " + "[" * 5000 + "]" * 5000))
    assert "found more than 50 levels, expected a flatter value" in text
