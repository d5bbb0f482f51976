"""Do right files become the values that they say?"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lmshooks.config import load, load_daemon
from lmshooks.config.loading import Loaded
from lmshooks.core.catalogue import Cadence
from lmshooks.core.configuration import Limits
from lmshooks.core.keys import PrivateKey, parse_secret, spelt
from lmshooks.core.subscriptions import BasicAuth, BearerAuth, Order, Resume, RetryPolicy, SignatureAuth

GOOD = Path(__file__).parent / "good"
KEYS = {"NEW_SECRET": "whsec_" + "A" * 40, "old": "whsec_" + "B" * 40}
ENVIRON = {"TOKEN": "sesame-0001", "NEW_SECRET": KEYS["NEW_SECRET"], "POD_NAME": "lmshooks-1"}
DAEMON = """
kafka: {bootstrap_servers: "localhost:9092", topics: [lms.events]}
egress: {allow_http: true}
windows: {nightly: {at: "22:30"}}
"""


class Folder:
    """A configuration made of good files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "subscriptions").mkdir()
        (path / "secrets").mkdir()
        (path / "secrets" / "token").write_text("sesame-0002\n")
        (path / "secrets" / "old").write_text(KEYS["old"])
        (path / "kafka-password").write_text("sesame-0003\n")
        (path / "daemon.yaml").write_text(DAEMON)

    def load(self, *names: str, environ: dict[str, str] = ENVIRON) -> Loaded:
        (self.path / "subscriptions" / "none.yaml").write_text("subscriptions: []\n")
        for name in names:
            kind = name.partition("-")[0]
            to = "daemon.yaml" if kind == "daemon" else f"subscriptions/{name}.yaml"
            shutil.copy(GOOD / f"{name}.yaml", self.path / to)
        loaded = load(self.path, environ)
        assert loaded.warnings == ()
        assert "sesame" not in repr(loaded)
        assert loaded.daemon == load_daemon(self.path, environ)
        return loaded


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_limits_reach_the_machine_and_the_lanes(folder: Folder) -> None:
    loaded = folder.load("daemon-limits", "subscriptions-off")
    assert loaded.daemon.limits == Limits(
        posts=100, failing_posts=10, memory=32 * 2**20, event_bytes=500_000, checkpoint_interval=90.0,
        commit_interval=0.2, checkpoint_events=10, checkpoint_pause=0.02, checkpoint_records=20, write_timeout=2.5,
        unconfirmed=0.25, pending_letters=3, compaction_lag=172_800.0,
    )  # fmt: skip
    one = loaded.configuration.subscriptions["paused"]
    assert (one.queue_events, one.queue_bytes) == (50, 2**20)


def test_nothing_said_is_the_cores_default(folder: Folder) -> None:
    loaded = folder.load("daemon-empty-sections", "subscriptions-five")
    assert loaded.daemon.limits == Limits()
    assert loaded.configuration.subscriptions["a"].retry == RetryPolicy()
    assert (loaded.daemon.admin.port, loaded.daemon.logs.level, loaded.daemon.drain_timeout) == (9400, "info", 20.0)


def test_cadences_are_read_by_name_and_glob(folder: Folder) -> None:
    assert folder.load("daemon-cadences").configuration.cadences == {
        "LEARNER_PROGRESS": Cadence.REAL_TIME,
        "COURSE_*": Cadence.WINDOWED,
        "RESPONSE:ASYNCAPI_USERGROUP_USER_ADDED": Cadence.WINDOWED,
    }


def test_windows_close_by_their_own_clocks(folder: Folder) -> None:
    windows = folder.load("daemon-windows").configuration.windows
    noon = datetime(2025, 1, 15, 12, tzinfo=UTC).timestamp()
    closes = {name: datetime.fromtimestamp(each.next_close(noon), UTC) for name, each in windows.items()}
    assert {name: each.strftime("%a %H:%M:%S") for name, each in closes.items()} == {
        "default": "Wed 13:00:00",
        "nightly": "Wed 21:30:00",
        "twice": "Wed 23:00:30",
        "mondays": "Mon 00:30:00",
    }


def test_there_is_a_default_window(folder: Folder) -> None:
    assert set(folder.load().configuration.windows) == {"default", "nightly"}


def test_kafka_is_reached_as_the_file_says(folder: Folder) -> None:
    kafka = folder.load("daemon-secured").daemon.kafka
    assert kafka.bootstrap_servers == "a:9093,[::1]:9093"
    assert (kafka.topics, kafka.topic_pattern, kafka.start) == ((), r"^lms\.events\..*", "2025-01-31T00:00:00Z")
    assert (kafka.group_id, kafka.instance_id, kafka.create_topics) == ("7", "lmshooks-1", False)
    assert (kafka.security_protocol, kafka.sasl_mechanism, kafka.username) == ("SASL_SSL", "SCRAM-SHA-512", "me")
    assert (kafka.password, kafka.ca_file, kafka.key_file) == ("sesame-0003", "ca.pem", "a.key")


def test_secrets_come_from_the_environment_and_from_files_beside_the_configuration(folder: Folder) -> None:
    subscriptions = folder.load("subscriptions-secrets").configuration.subscriptions
    assert subscriptions["token"].endpoint.auth == BearerAuth("sesame-0002")
    assert subscriptions["token"].endpoint.headers == (("X-Tenant", "learning"), ("X-Key", "sesame-0001"))
    assert subscriptions["user"].endpoint.auth == BasicAuth("me", "sesame-0001")
    signed = subscriptions["signed"].endpoint.auth
    assert isinstance(signed, SignatureAuth)
    assert signed.secrets == tuple(map(parse_secret, KEYS.values()))
    assert subscriptions["open"].endpoint.auth is None


def test_secrets_and_private_keys_stand_in_one_list(folder: Folder) -> None:
    environ = ENVIRON | {"PRIVATE_KEY": spelt(PrivateKey.of(b"a" * 32))}
    loaded = folder.load("subscriptions-key-pair", environ=environ)
    paired, both = (each.endpoint.auth for each in loaded.configuration.subscriptions.values())
    assert paired == SignatureAuth((PrivateKey.of(b"a" * 32),))
    new, old = map(parse_secret, KEYS.values())
    assert both == SignatureAuth((new, PrivateKey.of(b"a" * 32), old))
    other = folder.load("subscriptions-key-pair", environ=environ | {"PRIVATE_KEY": spelt(PrivateKey.of(b"b" * 32))})
    assert other.configuration.version != loaded.configuration.version


def test_a_secret_and_a_private_key_of_the_same_bytes_are_not_one(folder: Folder) -> None:
    private = spelt(PrivateKey.of(b"a" * 32))
    secret = private.replace("whsk_", "whsec_")
    loaded = folder.load("subscriptions-key-pair", environ=ENVIRON | {"PRIVATE_KEY": private, "NEW_SECRET": secret})
    both = loaded.configuration.subscriptions["both"].endpoint.auth
    assert isinstance(both, SignatureAuth)
    assert both.secrets[:2] == (parse_secret(secret), PrivateKey.of(b"a" * 32))


def test_five_subscriptions_of_an_account_are_allowed(folder: Folder) -> None:
    assert len(folder.load("subscriptions-five").configuration.subscriptions) == 6


def test_a_subscription_is_switched_off_in_two_ways(folder: Folder) -> None:
    subscriptions = folder.load("subscriptions-off").configuration.subscriptions
    assert [(each.active, each.resume) for each in subscriptions.values()] == [
        (False, Resume.BACKLOG),
        (False, Resume.NOW),
    ]


def test_words_and_numbers_stay_what_they_look_like(folder: Folder) -> None:
    one = folder.load("subscriptions-words").configuration.subscriptions["no"]
    assert (one.account, one.name, one.description) == ("0010", "on", "22:30")
    assert one.filter is not None
    data = {"source": "yes", "code": "0x10", "score": 1.5, "big": 123456789012345678901234567890, "at": "2025-01-31"}
    assert one.filter({"data": data})
    assert not one.filter({"data": data | {"source": True}})


def test_every_setting_of_a_subscription_reaches_the_core(folder: Folder) -> None:
    one = folder.load("subscriptions-full").configuration.subscriptions["all"]
    assert (one.name, one.description, one.events) == ("Completions", "For the review.", ("COURSE_COMPLETED",))
    assert (one.window, one.order, one.max_in_flight, one.max_events) == ("nightly", Order.LEARNER, 4, 1)
    assert (one.max_bytes, one.retry) == (65536, RetryPolicy(1.0, 60.0, 86400.0, 0.0))
    end = one.endpoint
    assert (end.url, end.connect_timeout, end.total_timeout) == ("http://10.0.0.1:8080/hook?x=1", 1.0, 2.0)
    assert (end.ca_file, end.cert_file, end.key_file) == ("own.pem", "our.crt", "our.key")
    assert one.filter is not None and one.filter({"data": {"loType": "job"}})


def test_equal_parts_of_subscriptions_are_one_value(folder: Folder) -> None:
    """A hundred thousand subscriptions have few different events, filters and time-outs."""
    first, second, *_ = folder.load("subscriptions-five").configuration.subscriptions.values()
    assert first.events is second.events
    assert first.retry is second.retry


def test_files_are_read_by_name_and_hidden_ones_are_not(folder: Folder) -> None:
    loaded = folder.load("subscriptions-five", "subscriptions-off")
    (folder.path / "subscriptions" / ".hidden.yaml").write_text("broken: [")
    (folder.path / "subscriptions" / "notes.txt").write_text("broken: [")
    assert list(load(folder.path, ENVIRON).configuration.subscriptions) == list(loaded.configuration.subscriptions)


def test_the_version_changes_with_a_secret_and_only_with_a_change(folder: Folder) -> None:
    first = folder.load("subscriptions-secrets").configuration.version
    assert folder.load().configuration.version == first
    assert folder.load(environ=ENVIRON | {"TOKEN": "sesame-another"}).configuration.version != first
    assert folder.load("daemon-windows").configuration.version != first


def test_a_name_close_to_a_known_event_is_a_warning(folder: Folder) -> None:
    text = (GOOD / "subscriptions-full.yaml").read_text().replace("COURSE_COMPLETED", "COURSE_COMPLETE")
    (folder.path / "subscriptions" / "a.yaml").write_text(text)
    (warning,) = load(folder.path, ENVIRON).warnings
    assert warning == (
        f"{folder.path}/subscriptions/a.yaml:6: subscriptions.0.events.0: "
        "COURSE_COMPLETE is not in the catalogue; did you mean COURSE_COMPLETED?"
    )
