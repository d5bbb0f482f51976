"""What exactly is sent? One request as a person reads it, or as a `curl` that can be pasted; secrets masked."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lmshooks.core.events import Event
    from lmshooks.core.positions import Partition
    from lmshooks.core.subscriptions import Endpoint, Subscription

MASK = "****"


class Request(NamedTuple):
    """One POST."""

    delivery_id: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    secret: frozenset[str]
    """The names, in lower case, of headers that hold a secret."""
    tls: tuple[tuple[str, str], ...] = ()
    """The files that TLS takes, by curl's options."""

    def shown(self, show_secrets: bool) -> list[tuple[str, str]]:
        """The headers; of a secret one only its scheme (`Bearer`), unless they are to be shown."""
        return [
            (name, value if show_secrets or name.lower() not in self.secret else _masked(value))
            for name, value in self.headers
        ]

    def lines(self, show_secrets: bool) -> list[str]:
        """As HTTP has it: the request line, the headers, an empty line, the body."""
        head = [f"{name}: {value}" for name, value in self.shown(show_secrets)]
        return [f"POST {self.url}", *head, "", self.body.decode("utf-8", "replace")]

    def curl(self, show_secrets: bool) -> str:
        """A command for a POSIX shell."""
        parts = ["curl --include --request POST", shlex.quote(self.url)]
        parts += [f"{option} {shlex.quote(path)}" for option, path in self.tls]
        for name, value in self.shown(show_secrets):
            if name.lower() not in ("host", "content-length"):
                parts.append(f"--header {shlex.quote(f'{name}: {value}')}")
        parts.append(f"--data-binary {shlex.quote(self.body.decode('utf-8', 'replace'))}")
        return " \\\n  ".join(parts)

    def masks(self, show_secrets: bool) -> bool:
        """Whether something is masked, so that the command would not work."""
        return not show_secrets and any(name.lower() in self.secret for name, _ in self.headers)


def request_of(subscription: Subscription, partition: Partition, event: Event) -> Request:
    """The first attempt of a delivery of this event alone, made now: the code of a real delivery."""
    from lmshooks.adapters.http import headers_of
    from lmshooks.core.deliveries import delivery_of

    delivery = delivery_of(subscription.id, partition, [event], (event.account,))
    body = delivery.body()
    endpoint = subscription.endpoint
    headers = headers_of(endpoint, delivery.id, 1, body, time.time())
    whole = (("Host", _host(endpoint.url)), *headers.items(), ("Content-Length", str(len(body))))
    files = (("--cacert", endpoint.ca_file), ("--cert", endpoint.cert_file), ("--key", endpoint.key_file))
    tls = tuple((option, path) for option, path in files if path is not None)
    return Request(delivery.id, endpoint.url, whole, body, secret_headers(endpoint), tls)


def secret_headers(endpoint: Endpoint) -> frozenset[str]:
    """Names of headers whose values must not be shown: credentials, and an endpoint's own, which may come from a
    secret. The signature is none: it is of this body and good for minutes."""
    return frozenset({"authorization", *(name.lower() for name, _ in endpoint.headers)})


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).netloc


def _masked(value: str) -> str:
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and scheme in ("Basic", "Bearer") else MASK
