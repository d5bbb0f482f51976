"""What went wrong with Kafka, in one line, and what is to be done?

aiokafka says of a broker that it cannot talk to no more than "Unable to bootstrap"; the reason (a wrong password, a
certificate that is not trusted) goes into its log. What it logs is remembered here by server, and told with the error.
"""

from __future__ import annotations

import logging
import re
from socket import gaierror
from ssl import SSLCertVerificationError, SSLError

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)


def describe(error: BaseException) -> str:
    """An error in one line, with its class: many of aiokafka's have no text. And what to do, where that is known."""
    if isinstance(error, KafkaConnectionError) and (servers := _SERVERS.findall(str(error))):
        return "; ".join(_unreached(host, port) for host, port in servers)
    told, hint = _line(error), _hint(error)
    return f"{told}: {hint}" if hint else told


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    name = type(error).__name__
    return name if not text or text == name else f"{name}: {text}" if not text.startswith(name) else text


_SERVERS = re.compile(r"\('([^']*)', (\d+), ")
"""The servers in aiokafka's "Unable to bootstrap from [...]"."""
_causes: dict[tuple[str, int], BaseException] = {}
"""Why a server could not be talked to, last: aiokafka raises none of it, it is in its log alone."""


def _unreached(host: str, port: str) -> str:
    cause = _causes.get((host, int(port)))
    if cause is None:
        return f"{host}:{port} is not reached"
    return f"{host}:{port} is not reached: {describe(cause)}"


def _hint(error: BaseException) -> str:
    """What is most likely wrong in the configuration, and which setting to look at."""
    security = "kafka.security"
    match error:
        case SSLCertVerificationError() if "mismatch" in error.verify_message:
            return "the broker's certificate is of another name: use a name that it holds in kafka.bootstrap_servers"
        case SSLCertVerificationError():
            return f"the broker's certificate is not trusted: {security}.ca_file is to hold its authority"
        case SSLError():
            return f"this port does not speak TLS, or refuses ours: is {security}.protocol right for it?"
        case SaslAuthenticationFailed():
            return f"authentication refused: check {security}.username, .password and .sasl_mechanism"
        case UnsupportedSaslMechanismError():
            return f"set {security}.sasl_mechanism to one that the broker takes"
        case IllegalSaslStateError():
            return f"this port knows no SASL: is {security}.protocol right for it?"
        case OSError() if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
            return "nothing listens there: is Kafka running, and is kafka.bootstrap_servers right?"
        case gaierror():
            return "the name is not known: is kafka.bootstrap_servers right?"
        case TimeoutError():
            return f"no answer in time: a firewall, or {security}.protocol is not what the port speaks"
        case KafkaConnectionError() | ConnectionResetError():
            return (
                "it hung up, as a port does that wants TLS, SASL or a client certificate, or none of them: "
                f"check {security}.protocol, .sasl_mechanism and .cert_file"
            )
        case TopicAuthorizationFailedError():
            return (
                "the user has no right to this topic: it is to read and describe source topics, and write our own two"
            )
        case GroupAuthorizationFailedError():
            return "the user has no right to the group: allow Read on kafka.group_id"
        case ClusterAuthorizationFailedError():
            return "the user may not do that: allow it, or create the topics by hand and set kafka.create_topics: false"
        case _:
            return ""


def remember(record: logging.LogRecord) -> None:
    """Keep what `Unable connect to "host:port": why` says: `describe` tells it when aiokafka gives up."""
    match record.args:
        case (str(host), int(port), *_, BaseException() as cause):
            _causes[host, port] = cause.with_traceback(None)
