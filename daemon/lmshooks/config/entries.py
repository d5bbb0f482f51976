"""What does one entry of subscriptions/*.yaml say? A mapping becomes a Subscription, or mistakes."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import yaml

from lmshooks.config.nodes import scalar, tell
from lmshooks.config.process import Process
from lmshooks.config.reading import Section, nearest, plain
from lmshooks.core.catalogue import CATALOGUE
from lmshooks.core.filters import Filter, FilterMistake, compile_filter
from lmshooks.core.signing import parse_secret
from lmshooks.core.subscriptions import (
    Auth,
    BasicAuth,
    BearerAuth,
    Endpoint,
    Order,
    Resume,
    RetryPolicy,
    SignatureAuth,
    Subscription,
)

KEYS = (
    "id", "account", "name", "description", "url", "auth", "headers", "events", "filter", "window", "active", "resume",
    "order", "max_in_flight", "max_events", "max_bytes", "timeouts", "retry", "tls",
)  # fmt: skip
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PATTERN = re.compile(r"[A-Za-z0-9_.*?\[\]!-]+")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RESERVED = frozenset(("content-type", "content-length", "host", "transfer-encoding", "connection"))
_KNOWN_EVENTS = frozenset(CATALOGUE)
_RETRY, _TIMEOUTS = RetryPolicy(), ("connect", "total")


def subscription(entry: Section, process: Process) -> Subscription | None:
    """The entry as a value; None where it has mistakes."""
    reading = entry.reading
    before = len(reading.mistakes)
    identity = entry.required("id", entry.text)
    if identity is not None and not _ID.fullmatch(identity):
        entry.wrong(entry.values["id"], "id", repr(identity[:100]), "letters, digits, dots, dashes, at most 100")
    account = entry.required("account", lambda key: _account(entry, key))
    events = entry.required("events", lambda key: _events(entry, key)) or ()
    window = entry.text("window", "default")
    if window not in process.windows:
        hint = nearest(window, process.windows)
        entry.wrong(entry.values["window"], "window", repr(window), f"one of {', '.join(process.windows)}", hint)
    url = entry.required("url", lambda key: _url(entry, key, process.daemon.egress.allow_http))
    auth = _auth(entry)
    headers = _headers(entry, auth is not None)
    connect, total = 10.0, 15.0
    if "timeouts" in entry.values:
        timeouts = entry.section("timeouts", _TIMEOUTS)
        connect, total = timeouts.duration("connect", 10.0), timeouts.duration("total", 15.0)
    ca_file = entry.section("tls", ("ca_file",)).text("ca_file") if "tls" in entry.values else None
    made = Subscription(
        id=identity or "",
        account=account or "",
        events=events,
        endpoint=Endpoint(url or "", auth, headers, connect, total, ca_file),
        name=entry.text("name", "", 200),
        description=entry.text("description", "", 140),
        filter=_filter(entry),
        window=window,
        active=entry.flag("active", True),
        resume=Resume(entry.choice("resume", ("backlog", "now"), "backlog")),
        order=Order(entry.choice("order", ("account", "learner", "none"), "account")),
        max_in_flight=entry.whole("max_in_flight", 16, 1, 1000),
        max_events=entry.whole("max_events", 100, 1, 10_000),
        max_bytes=entry.size("max_bytes", 1024 * 1024),
        queue_events=process.daemon.queue_events,
        queue_bytes=process.daemon.queue_bytes,
        retry=_retry(entry) if "retry" in entry.values else _RETRY,
    )
    return made if len(reading.mistakes) == before else None


def _account(entry: Section, key: str) -> str | None:
    node = entry.values[key]
    # As it is written: an account is an identifier, even if it is all digits.
    if isinstance(node, yaml.ScalarNode) and isinstance(scalar(node), str | int) and not isinstance(scalar(node), bool):
        value: str = node.value.strip()
        if value:
            return value
    entry.wrong(node, key, tell(node), "an account id, or '*' for every account")
    return None


def _events(entry: Section, key: str) -> tuple[str, ...]:
    events = entry.texts(key)
    for index, name in enumerate(events):
        if name in _KNOWN_EVENTS:
            continue
        if not _PATTERN.fullmatch(name):
            entry.wrong(entry.values[key], f"{key}.{index}", repr(name[:100]), "an event name or a glob")
        elif not any(letter in name for letter in "*?[") and (hint := nearest(name, _KNOWN_EVENTS)):
            line = entry.values[key].start_mark.line + 1
            entry.reading.warnings.append(
                f"{entry.file}:{line}: {entry.path}.{key}.{index}: {name} is not in the catalogue; {hint}"
            )
    return events


def _url(entry: Section, key: str, allow_http: bool) -> str | None:
    url: str | None = entry.text(key)
    if url is None:
        return None
    node = entry.values[key]
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        entry.wrong(node, key, "a broken URL", "a URL such as https://example.com/hook")
        return None
    # A URL may carry a token: what is told names its parts, never the URL.
    if parts.username is not None or parts.password is not None:
        entry.wrong(node, key, "a URL with user information", "one without", "give it as auth: {basic: ...}")
    elif not host or parts.scheme not in ("http", "https") or re.search(r"[\s\x00-\x1f]", url):
        entry.wrong(node, key, "no absolute http(s) URL", "a URL such as https://example.com/hook")
    elif parts.scheme == "http" and not allow_http:
        entry.wrong(node, key, "an http URL", "https", "egress.allow_http: true in daemon.yaml allows it")
    elif parts.fragment:
        entry.wrong(node, key, "a URL with a fragment", "one without")
    return url


def _auth(entry: Section) -> Auth:
    node = entry.values.get("auth")
    if node is None or (isinstance(node, yaml.ScalarNode) and node.value in ("none", "null", "~", "")):
        return None
    if isinstance(node, yaml.ScalarNode):
        entry.wrong(node, "auth", "text (not shown)", "none, or a mapping of basic, bearer or signature")
        return None
    auth = entry.section("auth", ("basic", "bearer", "signature"))
    if len(auth.values) != 1:
        if isinstance(node, yaml.MappingNode):
            auth.wrong(node, "", f"{len(auth.values)} ways", "one of basic, bearer and signature")
        return None
    if "basic" in auth.values:
        basic = auth.section("basic", ("username", "password"))
        username, password = basic.required("username", basic.text), basic.required("password", basic.secret)
        return BasicAuth(username or "", password or "")
    if "bearer" in auth.values:
        bearer = auth.section("bearer", ("token",))
        return BearerAuth(bearer.required("token", bearer.secret) or "")
    signature = auth.section("signature", ("secrets",))
    keys = signature.required("secrets", lambda key: _secrets(signature, key))
    return SignatureAuth(keys or ())


def _secrets(section: Section, key: str) -> tuple[bytes, ...]:
    node, keys = section.values[key], []
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        what = "a secret written out" if isinstance(node, yaml.ScalarNode) else "no list of secrets"
        section.wrong(node, key, what, "a list of {env: NAME} or {file: PATH}")
        return ()
    for index, item in enumerate(node.value):
        text = section.secret_at(item, f"{key}.{index}")
        if text is not None:
            try:
                keys.append(parse_secret(text))
            except ValueError as error:
                found, _, expected = str(error).partition(", expected ")
                section.wrong(item, f"{key}.{index}", found, expected or "whsec_<base64>")
    return tuple(keys)


def _headers(entry: Section, authorized: bool) -> tuple[tuple[str, str], ...]:
    if "headers" not in entry.values:
        return ()
    headers = entry.section("headers", ())
    made = []
    for name, node in headers.values.items():
        low = name.lower()
        if low in _RESERVED or low.startswith("webhook-") or (low == "authorization" and authorized):
            headers.wrong(headers.keys[name], name, "a header that lmshooks sets itself", "another header")
        elif not _TOKEN.fullmatch(name):
            headers.wrong(headers.keys[name], name, "no header name", "letters, digits and dashes")
        elif isinstance(node, yaml.MappingNode):
            made.append((name, headers.secret_at(node, name) or ""))
        elif not isinstance(node, yaml.ScalarNode) or re.search(r"[\x00-\x1f\x7f]", node.value):
            headers.wrong(node, name, "no header value (not shown)", "text on one line")
        else:
            made.append((name, node.value))
    return tuple(made)


def _filter(entry: Section) -> Filter | None:
    node = entry.values.get("filter")
    if node is None:
        return None
    try:
        return compile_filter(plain(node))
    except FilterMistake as mistake:
        at, keys = node, []
        for part in mistake.path:
            if isinstance(at, yaml.MappingNode):
                at = next((value for key, value in at.value if key.value == str(part)), at)
            elif isinstance(at, yaml.SequenceNode) and isinstance(part, int) and part < len(at.value):
                at = at.value[part]
            keys.append(str(part))
        entry.wrong(at, ".".join(["filter", *keys]), mistake.found, mistake.expected)
        return None


def _retry(entry: Section) -> RetryPolicy:
    retry = entry.section("retry", ("initial", "ceiling", "horizon", "jitter"))
    policy = RetryPolicy(
        retry.duration("initial", _RETRY.initial),
        retry.duration("ceiling", _RETRY.ceiling),
        retry.duration("horizon", _RETRY.horizon),
        retry.share("jitter", _RETRY.jitter),
    )
    if policy.ceiling < policy.initial:
        retry.wrong(None, "ceiling", f"{policy.ceiling:g} s", f"at least initial ({policy.initial:g} s)")
    return policy
