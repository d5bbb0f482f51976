"""Does every way into a guarded Kafka work, and does a wrong key say so? TLS, mTLS, SASL; and what producers compress.

One Apache Kafka with a listener for each; the certificates are made here and last for the test run.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lmshooks.adapters.intake import Intake
from lmshooks.adapters.kafka_client import KafkaSettings, client_options, describe, quiet_aiokafka
from lmshooks.adapters.state import StateTopic
from lmshooks.core.positions import Partition
from lmshooks.listener import Listener
from tests.kafka.brokers import ApacheKafka
from tests.kafka.clients import make_topic, produce, settings_for, until
from tests.kafka.daemons import SECRET, Daemon
from tests.kafka.events import kafka_of, subscription
from tests.kafka.jars import NoKafka, required

PROTOCOLS = {
    "TLS": "SSL",
    "MTLS": "SSL",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "SASL_SSL": "SASL_SSL",
}
SCRAM = ["SCRAM-SHA-512=[name=bob,password=bob-secret]", "SCRAM-SHA-256=[name=bob,password=bob-secret]"]
SECURITY = """
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.crt
listener.name.mtls.ssl.client.auth=required
listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,SCRAM-SHA-256
listener.name.sasl_plaintext.plain.sasl.jaas.config={module}.plain.PlainLoginModule required \\
    user_alice="alice-secret" user_carol="{secret}";
listener.name.sasl_ssl.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_alice="alice-secret";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:alice;User:bob;User:CN=lmshooks
"""

Signed = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def signed(name: str, by: Signed | None = None) -> Signed:
    """A key and its certificate; without `by`, an authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[1].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if by is not None:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, builder.sign(by[0] if by else key, hashes.SHA256())


def pem(what: ec.EllipticCurvePrivateKey | x509.Certificate) -> bytes:
    if isinstance(what, x509.Certificate):
        return what.public_bytes(Encoding.PEM)
    return what.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = signed("the authority")
    key, certificate = signed("localhost", authority)
    (folder / "ca.crt").write_bytes(pem(authority[1]))
    (folder / "broker.pem").write_bytes(pem(key) + pem(certificate) + pem(authority[1]))
    key, certificate = signed("lmshooks", authority)
    (folder / "client.key").write_bytes(pem(key))
    (folder / "client.crt").write_bytes(pem(certificate))
    (folder / "other-ca.crt").write_bytes(pem(signed("another authority")[1]))
    return folder


@pytest.fixture(scope="module")
def guarded(certificates: Path) -> Iterator[ApacheKafka]:
    security = SECURITY.format(folder=certificates, module="org.apache.kafka.common.security", secret=SECRET)
    try:
        broker = ApacheKafka(extra=security, listeners=PROTOCOLS, scram=SCRAM)
    except NoKafka as why:
        if required():
            raise
        pytest.skip(str(why))
    try:
        yield broker.start()
    finally:
        broker.close()


@pytest.fixture
def every_line() -> Iterator[None]:
    """aiokafka says why each time, not once a minute."""
    quiet_aiokafka(every=0.0)
    yield
    quiet_aiokafka()


def entering(broker: ApacheKafka, certificates: Path, way: str) -> KafkaSettings:
    """Right settings for a way in: a listener, and a SASL mechanism where it has one."""
    listener, _, mechanism = way.partition(" ")
    user = {"PLAIN": "alice"}.get(mechanism, "bob") if mechanism else None
    with_tls = listener != "SASL_PLAINTEXT"
    with_client = listener == "MTLS"
    return settings_for(
        broker.at(listener),
        start="earliest",
        security_protocol=PROTOCOLS[listener],
        sasl_mechanism=mechanism or None,
        username=user,
        password=f"{user}-secret" if user else None,
        ca_file=str(certificates / "ca.crt") if with_tls else None,
        cert_file=str(certificates / "client.crt") if with_client else None,
        key_file=str(certificates / "client.key") if with_client else None,
    )


class Sink:
    """Takes every partition from where the group stands, and keeps the values."""

    def __init__(self) -> None:
        self.intake: Intake
        self.values: list[bytes | None] = []

    async def on_assigned(self, partition, committed, metadata, log_start, log_end, start) -> None:
        self.intake.start_at(partition, start if committed is None else committed)

    async def on_revoked(self, partitions) -> None: ...

    def on_lost(self, partitions) -> None: ...

    def on_records(self, partition, records, next_offset, log_end) -> None:
        self.values += [record.value for record in records]

    def on_expired(self, partition, log_start) -> int:
        return log_start


@contextlib.asynccontextmanager
async def taking(settings: KafkaSettings):
    sink = Sink()
    sink.intake = Intake(settings, sink)
    task = asyncio.create_task(sink.intake.run())
    try:
        yield sink
    finally:
        await sink.intake.stop()
        async with asyncio.timeout(10):
            await task


@pytest.mark.parametrize(
    "way",
    ["TLS", "MTLS", "SASL_PLAINTEXT PLAIN", "SASL_SSL PLAIN", "SASL_SSL SCRAM-SHA-512", "SASL_SSL SCRAM-SHA-256"],
)
async def test_every_way_in_reads_commits_and_writes(guarded, certificates, way):
    settings = entering(guarded, certificates, way)
    await make_topic(guarded.bootstrap, settings.topics[0])
    await make_topic(guarded.bootstrap, settings.state_topic)
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    await producer.send_and_wait(settings.topics[0], b"an event")
    await producer.stop()
    async with taking(settings) as sink:
        await until(lambda: sink.values == [b"an event"])
        assert await sink.intake.commit(Partition(settings.topics[0], 0), 1, "@")
    state = StateTopic(settings)
    await state.start()
    await state.write([(b"key", b"value")])
    await state.stop()
    again = StateTopic(settings)
    assert [(entry.key, entry.value) for entry in await again.start()] == [(b"key", b"value")]
    await again.stop()


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    # way in, what is wrong about it, what the daemon's own line says of it
    "password, SCRAM": ("SASL_SSL SCRAM-SHA-512", {"password": "guessed"}, "check kafka.security.username"),
    "password, PLAIN": (
        "SASL_PLAINTEXT PLAIN",
        {"password": "guessed"},
        "Invalid username or password: authentication",
    ),
    "mechanism": ("SASL_PLAINTEXT PLAIN", {"sasl_mechanism": "SCRAM-SHA-256"}, "set kafka.security.sasl_mechanism"),
    "authority": ("TLS", {"ca_file": "other-ca.crt"}, "not trusted: kafka.security.ca_file"),
    "name": ("TLS", {"bootstrap_servers": "no-such-host.invalid:9092"}, "the name is not known"),
    # TLS 1.3 refuses a client after its handshake, and aiokafka keeps the alert to itself.
    "no certificate": ("MTLS", {"cert_file": None, "key_file": None}, ".sasl_mechanism and .cert_file"),
    "plain to a TLS port": ("TLS", {"security_protocol": "PLAINTEXT"}, "check kafka.security.protocol"),
    "no SASL to a SASL port": (
        "SASL_PLAINTEXT PLAIN",
        {"security_protocol": "PLAINTEXT"},
        "check kafka.security.protocol",
    ),
    "TLS to a plain port": ("SASL_PLAINTEXT PLAIN", {"security_protocol": "SASL_SSL"}, "check kafka.security.protocol"),
    "no such file": ("TLS", {"ca_file": "none.crt"}, "none.crt: No such file"),
    "no certificates in it": ("TLS", {"ca_file": "client.key"}, "expected PEM files"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_wrong_key_is_refused_at_once_and_said(guarded, certificates, every_line, what):
    way, wrong, hint = WRONG[what]
    if "ca_file" in wrong:
        wrong = {"ca_file": str(certificates / wrong["ca_file"])}
    settings = replace(entering(guarded, certificates, way), **wrong)
    state = StateTopic(settings)
    async with asyncio.timeout(4 * settings.request_timeout):
        with pytest.raises((KafkaConnectionError, OSError)) as raised:
            await state.start()
    await state.stop()
    assert hint in describe(raised.value)
    assert "guessed" not in describe(raised.value)
    async with taking(settings) as sink:
        await until(lambda: sink.intake.fault)
        assert hint in sink.intake.fault
        assert not sink.intake.healthy


async def refused_by(folder: Path, broker: ApacheKafka, topic: str, security: dict[str, Any]) -> Daemon:
    """A daemon that is started with this security, and not waited for."""
    kafka = kafka_of(broker.at("SASL_PLAINTEXT"), topic) | {
        "security": {"protocol": "SASL_PLAINTEXT", "password": {"env": "SECRET"}, **security}
    }
    daemon = Daemon(folder, kafka, [subscription(Listener())])
    daemon.spawn()
    return daemon


async def test_a_wrong_password_is_said_by_the_daemons_own_line(guarded, tmp_path):
    daemon = await refused_by(tmp_path / "c", guarded, "events", {"username": "alice"})
    try:
        line = await daemon.said("kafka.unreachable")
        assert "Invalid username or password: authentication refused: check kafka.security.username" in line["why"]
        assert SECRET not in daemon.log.read_text()
        await daemon.until_told("/readyz", 503, "authentication refused")
    finally:
        await daemon.__aexit__()


async def test_a_user_without_rights_is_told_what_is_lacking(guarded, tmp_path):
    topic = settings_for(guarded.bootstrap).topics[0]
    for name in (topic, f"{topic}.state", f"{topic}.dead"):
        await make_topic(guarded.bootstrap, name)
    daemon = await refused_by(tmp_path / "c", guarded, topic, {"username": "carol"})
    try:
        assert await daemon.ended() == 2
        assert "allow Describe and Read on it" in (await daemon.said("topics.refused", f"topic {topic} is"))["why"]
        own = (await daemon.said("topics.refused", f"topic {topic}.state is"))["why"]
        assert "if it is there, allow Describe, Read and Write on it" in own
    finally:
        await daemon.__aexit__()


async def test_nobody_there_is_said(every_line):
    state = StateTopic(settings_for("127.0.0.1:1"))
    with pytest.raises(KafkaConnectionError) as raised:
        await state.start()
    await state.stop()
    told = describe(raised.value)
    assert told.startswith("127.0.0.1:1 is not reached: ConnectionRefusedError")
    assert told.endswith("is Kafka running, and is kafka.bootstrap_servers right?")


async def test_whatever_codec_a_producer_chose_is_read(guarded):
    settings = settings_for(guarded.bootstrap, start="earliest")
    await make_topic(guarded.bootstrap, settings.topics[0])
    codecs = ["gzip", "snappy", "lz4", "zstd"]
    for codec in codecs:
        producer = AIOKafkaProducer(bootstrap_servers=guarded.bootstrap, compression_type=codec)
        await producer.start()
        await producer.send_and_wait(settings.topics[0], codec.encode() * 500)
        await producer.stop()
    await produce(guarded.bootstrap, settings.topics[0], [b"none"])
    async with taking(settings) as sink:
        await until(lambda: len(sink.values) == 5)
        assert sink.values == [*(codec.encode() * 500 for codec in codecs), b"none"]
