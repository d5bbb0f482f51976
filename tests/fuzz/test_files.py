"""Is every folder of YAML a configuration, or a list of mistakes with their lines, whatever is in it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmshooks.config import ConfigurationMistakes, Loaded
from tests.fuzz.files import GOOD_DAEMON, GOOD_SUBSCRIPTIONS, check

CORPUS = sorted((Path(__file__).parent / "corpus" / "files").iterdir())
BAD = sorted((Path(__file__).parent.parent / "config" / "bad").glob("*.yaml"))
PATIENT = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

DAEMON = {
    "kafka": {
        "bootstrap_servers": ["localhost:9092"], "topics": ["lms.events"], "topic_pattern": "^lms", "group_id": "g",
        "instance_id": "i-0", "start": "2026-01-01T00:00:00Z", "state_topic": "s", "dead_letter_topic": "d",
        "create_topics": True, "replication_factor": 3, "session_timeout": "10s", "request_timeout": "5s",
        "retention_check": "warn",
        "security": {"protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "username": "u", "password": {"env": "WORD"},
                     "ca_file": "/ca.pem", "cert_file": "/c.pem", "key_file": "/k.pem"},
    },
    "admin": {"host": "127.0.0.1", "port": 9400},
    "egress": {"allow_http": True, "allow_networks": ["10.0.0.0/8"]},
    "limits": {"posts": 1, "failing_posts": 1, "memory": "64MiB", "event_bytes": "5MiB", "queue_events": 1000,
               "queue_bytes": "4MiB", "checkpoint_interval": "1s", "checkpoint_pause": "50ms", "write_timeout": "10s",
               "checkpoint_events": 100, "checkpoint_records": 2000, "compaction_lag": "24h", "pending_letters": 1000,
               "subscriptions_per_account": 5},
    "windows": {"default": {"every": "15m"}, "nightly": {"at": ["02:00"], "timezone": "Europe/Berlin"},
                "odd": {"cron": "0 6 * * 1"}},
    "cadences": {"LEARNER_PROGRESS": "windowed"},
    "orphan_grace": "1h",
    "drain_timeout": "20s",
    "logs": {"level": "info", "format": "json"},
}  # fmt: skip
SUBSCRIPTION = {
    "id": "a", "account": "1", "events": ["COURSE_*"], "url": "https://a.example/hook", "name": "A", "description": "d",
    "auth": {"signature": {"secrets": [{"env": "SECRET"}]}}, "headers": {"X-A": "1"},
    "timeouts": {"connect": "1s", "total": "2s"}, "tls": {"ca_file": "/ca.pem"},
    "filter": {"data.n": {"gte": 1}, "any": [{"data.a": "x"}, {"not": {"data.b": {"in": [1]}}}]},
    "window": "nightly", "active": True, "resume": "now", "order": "learner", "max_in_flight": 2, "max_events": 10,
    "max_bytes": "1MiB", "retry": {"initial": "5s", "ceiling": "5m", "horizon": "7d", "jitter": 0.2},
}  # fmt: skip

ODD: list[Any] = [
    None, True, False, 0, -1, 10**30, 1.5, float("inf"), float("nan"), "", " ", "*", "x" * 300, "é\U0001f600", "a\nb",
    "\x85", "\u2028", [], [[]], {}, {"": ""}, {1: 2}, {"env": "SECRET"}, {"env": "NONE"}, {"file": "/nowhere"},
    {"file": ""}, {"file": "."}, {"env": "WORD", "file": "x"},
    "0s", "-1s", "1", "1e9d", "999999999999999999d", "9" * 400 + "s",
    "64PiB", "22:30", "25:61", "* * * * *", "0 0 31 2 *", "*/0 * * * *", "1-0 * * * *", "UTC", "../../etc",
    "(", "(a+)+$", "[", "https://", "https://[::1", "https://a.example:99999/", "https://ü.example/", "http://a/",
    "::/0", "10.0.0.0/99", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-30", ["a", ["b"]], {"every": "0s"},
    {"eq": {"a": [1]}}, {"not": {"not": {"x": 1}}}, [None], ["22:30", "22:30"], {"any": []}, {"data..x": 1},
]  # fmt: skip


TOKENS = [
    b": ", b"- ", b"[", b"}", b"&a ", b"*a", b"!!python/object:os.system ", b"!!set ", b"'", b"\t", b"\xff", b"\r",
    b"\n", b"? ", b"|\n", b"---\n", b"%YAML 9.9\n", b"\x00", b"\xef\xbb\xbf", b"<<: ", b"#",
]  # fmt: skip


def places(tree, path=()):
    """Every path of a tree."""
    yield path
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(value, (*path, key))


def changed(tree, path, value):
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = changed(tree[path[0]], path[1:], value)
    return copy


@st.composite
def odd(draw, tree):
    """A tree in which one to three things are others than they should be."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(tree))))
        tree = changed(tree, place, draw(st.sampled_from(ODD)))
        if not isinstance(tree, dict):
            break
    return yaml.safe_dump(tree, allow_unicode=draw(st.booleans()), sort_keys=False).encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw, text):
    value = bytearray(text)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(value)))
        end = draw(st.integers(start, min(len(value), start + 30)))
        value[start:end] = draw(st.sampled_from([b"", bytes(value[start:end]) * 2, *TOKENS]))
    return bytes(value)


@PATIENT
@given(daemon=odd(DAEMON))
def test_an_odd_daemon_file(tmp_path, daemon):
    check(tmp_path, daemon, GOOD_SUBSCRIPTIONS)


@PATIENT
@given(entry=odd({"subscriptions": [SUBSCRIPTION, {**SUBSCRIPTION, "id": "b"}]}))
def test_odd_subscriptions(tmp_path, entry):
    check(tmp_path, b"windows: {nightly: {at: '02:00'}}\n" + GOOD_DAEMON, entry)


@PATIENT
@given(
    daemon=damaged(yaml.safe_dump(DAEMON).encode()),
    subscriptions=damaged(yaml.safe_dump({"subscriptions": [SUBSCRIPTION]}).encode()),
)
def test_damaged_files(tmp_path, daemon, subscriptions):
    check(tmp_path, daemon, subscriptions)


@pytest.mark.parametrize("path", [*CORPUS, *BAD], ids=lambda path: path.name)
def test_every_file_of_the_corpus_in_either_place(tmp_path, path):
    text = path.read_bytes()
    check(tmp_path, text, GOOD_SUBSCRIPTIONS)
    check(tmp_path, GOOD_DAEMON, text)


def test_what_is_right_loads_and_what_is_not_does_not(tmp_path):
    """The check itself sees both kinds."""
    assert isinstance(check(tmp_path, GOOD_DAEMON, GOOD_SUBSCRIPTIONS), Loaded)
    assert isinstance(check(tmp_path, GOOD_DAEMON, b"{}"), ConfigurationMistakes)
