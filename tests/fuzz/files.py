"""What must any folder of YAML become? A configuration, or mistakes that each name a place in a file that is there."""

from __future__ import annotations

from pathlib import Path

from lmshooks.config import ConfigurationMistakes, Loaded, load

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRON = {"SECRET": SECRET, "WORD": "open-sesame"}
GOOD_DAEMON = b"kafka: {bootstrap_servers: 'localhost:9092', topics: [events]}\n"
GOOD_SUBSCRIPTIONS = b"subscriptions:\n- {id: a, account: '1', events: ['*'], url: 'https://a.example/'}\n"
LONGEST = 4000
"""Characters of one mistake."""


def check(folder: Path, daemon: bytes, subscriptions: bytes) -> Loaded | ConfigurationMistakes:
    """Load the two as files; AssertionError where what comes back is neither."""
    (folder / "subscriptions").mkdir(exist_ok=True)
    files = {folder / "daemon.yaml": daemon, folder / "subscriptions" / "all.yaml": subscriptions}
    for path, text in files.items():
        path.write_bytes(text)
    try:
        return load(folder, ENVIRON)
    except ConfigurationMistakes as mistakes:
        told = mistakes
    assert told.mistakes
    lines = {str(path): text.count(b"\n") + text.count(b"\r") + 2 for path, text in files.items()}
    for mistake in told.mistakes:
        assert mistake.file in lines, f"a file that is not there: {mistake.file}"
        assert 1 <= mistake.line <= lines[mistake.file], mistake
        assert mistake.column >= 1
        said = str(mistake)
        assert said.isprintable(), "a mistake is one line that a terminal can show"
        assert len(said) < LONGEST, f"{len(said)} characters"
        assert not any(secret in said for secret in ENVIRON.values())
    return told
