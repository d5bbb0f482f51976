"""Whom does a POST over TLS trust?"""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lmshooks.adapters.egress import Guard, socket_factory
from lmshooks.adapters.http import Poster
from lmshooks.adapters.resolving import Resolver
from lmshooks.core.retrying import Failure
from lmshooks.core.subscriptions import Endpoint
from lmshooks.listener import Listener
from tests.adapters.answering import BODY, EITHER_LOOP, LOCAL, answer, event_loop_policy, poster, raw, take

__all__ = ["event_loop_policy", "poster"]

pytestmark = EITHER_LOOP


class Authority:
    """A certificate authority of its own, and a server certificate for 127.0.0.1 and `endpoint.test`."""

    def __init__(self, folder, name):
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        root = self._certificate(issuer, issuer, key, key, x509.BasicConstraints(True, None))
        self.file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        server = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("endpoint.test")])
        leaf = self._certificate(subject, issuer, server, key, names)
        chain = folder / f"{name}-server.pem"
        private = server.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)
        self.chain = chain

    @staticmethod
    def _certificate(subject, issuer, key, signer, extension):
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            issuer, subject, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1)
        )
        return builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints)).sign(
            signer, hashes.SHA256()
        )


async def test_a_certificate_of_the_endpoints_own_authority_is_trusted(poster, tmp_path):
    authority = Authority(tmp_path, "ours")
    async with Listener(tls=authority.context) as listener:
        outcome = await poster.post(Endpoint(listener.url, ca_file=str(authority.file)), "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (200, None)


@pytest.mark.parametrize(
    ("name", "failure"), [("endpoint.test", None), ("endpoint.test.", None), ("other.test", Failure.TLS)]
)
async def test_a_certificate_holds_for_its_names_with_and_without_the_dot_of_the_root(name, failure, tmp_path):
    authority = Authority(tmp_path, "ours")
    local = Resolver(lambda host, port, *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))])
    poster = Poster(socket_factory(Guard(LOCAL)), resolver=local)
    try:
        async with Listener(tls=authority.context) as listener:
            endpoint = Endpoint(f"https://{name}:{listener.port}/", ca_file=str(authority.file))
            outcome = await poster.post(endpoint, "m", 1, BODY)
    finally:
        await poster.close()
    assert (outcome.status, outcome.failure) == (None if failure else 200, failure)


async def test_a_certificate_of_another_authority_is_not(poster, tmp_path):
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    async with Listener(tls=theirs.context) as listener:
        for ca_file in (str(ours.file), None):
            outcome = await poster.post(Endpoint(listener.url, ca_file=ca_file), "m", 1, BODY)
            assert (outcome.status, outcome.failure) == (None, Failure.TLS)
            assert "certificate" in outcome.detail.lower()
        assert listener.counts.requests == 0


async def test_a_file_of_authorities_that_is_not_there_is_told(poster, tmp_path):
    endpoint = Endpoint("https://127.0.0.1:1/", ca_file=str(tmp_path / "none.pem"))
    outcome = await poster.post(endpoint, "m", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.TLS)
    assert "none.pem" in outcome.detail


async def test_files_that_come_later_are_used_from_then_on(poster, tmp_path):
    """A volume that is mounted late, or a moment without file descriptors, must not end an endpoint for good."""
    authority = Authority(tmp_path, "ours")
    hidden = authority.file.rename(tmp_path / "hidden.pem")
    async with Listener(tls=authority.context) as listener:
        endpoint = Endpoint(listener.url, ca_file=str(authority.file))
        assert (await poster.post(endpoint, "m", 1, BODY)).failure is Failure.TLS
        hidden.rename(authority.file)
        assert (await poster.post(endpoint, "m", 2, BODY)).status == 200


@pytest.fixture
def demanding(tmp_path):
    """An authority whose server lets in only who shows a certificate that it signed."""
    authority = Authority(tmp_path, "ours")
    authority.context.load_verify_locations(authority.file)
    authority.context.verify_mode = ssl.CERT_REQUIRED
    return authority


async def test_a_certificate_of_our_own_is_shown_to_who_asks_for_it(poster, demanding, tmp_path):
    private, _, certificate = demanding.chain.read_bytes().partition(b"-----BEGIN CERTIFICATE")
    (tmp_path / "our.key").write_bytes(private)
    (tmp_path / "our.crt").write_bytes(b"-----BEGIN CERTIFICATE" + certificate)
    trusted = str(demanding.file)
    async with Listener(tls=demanding.context) as listener:
        one_file = Endpoint(listener.url, ca_file=trusted, cert_file=str(demanding.chain))
        two_files = Endpoint(
            listener.url, ca_file=trusted, cert_file=str(tmp_path / "our.crt"), key_file=str(tmp_path / "our.key")
        )
        for endpoint in (one_file, two_files):
            outcome = await poster.post(endpoint, "m", 1, BODY)
            assert (outcome.status, outcome.failure) == (200, None)
        # A connection that was let in is not lent to who shows nothing.
        outcome = await poster.post(Endpoint(listener.url, ca_file=trusted), "m", 1, BODY)
        assert outcome.status is None
        assert outcome.failure in (Failure.TLS, Failure.DISCONNECT)
        assert listener.counts.requests == 2


async def test_a_certificate_that_cannot_be_used_is_told_and_nothing_asked_for(poster, demanding, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
        )
    )
    for key_file, cert_file in ((locked, demanding.chain), (None, demanding.file), (None, tmp_path / "none.pem")):
        endpoint = Endpoint("https://127.0.0.1:1/", cert_file=str(cert_file), key_file=key_file and str(key_file))
        outcome = await poster.post(endpoint, "m", 1, BODY)
        assert (outcome.status, outcome.failure) == (None, Failure.TLS)
        assert str(cert_file) in outcome.detail


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x03\x03\x40\x00" + bytes(200),
        b"\x00",
        b"",
    ],
    ids=["plain HTTP", "a TLS alert", "half a handshake", "a zero byte", "nothing"],
)
async def test_a_handshake_that_breaks_is_told_as_one(poster, said):
    async def handle(reader, writer, count):
        await reader.read(1)
        writer.write(said)
        await writer.drain()

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url.replace("http:", "https:"), connect_timeout=5.0), "m", 1, BODY)
    assert outcome.status is None
    assert outcome.failure in (Failure.TLS, Failure.CONNECT, Failure.DISCONNECT)
    assert outcome.detail
    assert "/hook" not in outcome.detail


async def test_a_connection_that_is_cut_inside_tls_is_a_disconnect_and_the_next_goes_well(poster, tmp_path):
    authority = Authority(tmp_path, "ours")

    async def handle(reader, writer, count):
        await take(reader)
        if count == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            await writer.drain()
            writer.transport.abort()
        writer.write(answer(b"whole"))
        await take(reader)

    async with raw(handle, authority.context) as url:
        endpoint = Endpoint(url, ca_file=str(authority.file))
        outcome = await poster.post(endpoint, "m", 1, BODY)
        assert (outcome.status, outcome.failure) == (None, Failure.DISCONNECT)
        assert (await poster.post(endpoint, "m", 2, BODY)).detail == "whole"
