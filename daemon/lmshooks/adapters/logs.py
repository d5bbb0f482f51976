"""How is it said? One line an event on stderr: JSON for machines, colours for people.

Names, not sentences: `delivery.attempted` with fields. What libraries log through the standard library goes the same
way from `warning` up, and the same sentence at most once in ten seconds: an aiokafka client that cannot reach its
broker says so hundreds of times a minute.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import select
import stat
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import structlog

Format = Literal["json", "console"]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

REPEAT_PAUSE = 10.0
"""Seconds for which the same sentence of a library is not said again."""

OURS = "lmshooks"
"""The standard library's logger above those of our own modules."""

_SENTENCES = 1000
"""Sentences remembered at most: some libraries put numbers into theirs."""


class Lines:
    """Lines on their way to stderr: those of one turn of the event loop in one write, at once where no loop runs.

    A busy daemon says thousands of lines a second, and each write of its own costs as much as all else of a line. Where
    nobody reads the other end of a pipe, lines wait, up to a limit, and are then left out and counted: what stalls the
    reader must not stall the daemon.
    """

    MOST = 64 * 1024
    """Bytes that wait for the end of the turn, at most."""
    HELD = 1024 * 1024
    """Bytes that wait for a reader, at most."""
    AGAIN = 0.02
    """Seconds after which a reader that stalls is tried again."""

    def __init__(self) -> None:
        self.json = False
        self._waiting: list[bytes] = []
        self._size = 0
        self._left_out = 0
        self._stalled = False
        self._at = 0.0
        self._stamp = ""
        atexit.register(self.finish)

    def write(self, line: bytes) -> None:
        """A line, with its end."""
        if self._size > self.HELD:
            self._left_out += 1
            return
        self._waiting.append(line)
        self._size += len(line)
        if self._stalled:
            return  # it is tried again by itself
        if len(self._waiting) == 1:
            try:
                asyncio.get_running_loop().call_soon(self.send)
            except RuntimeError:  # no loop, or a thread beside it
                self.finish()
        elif self._size > self.MOST:
            self.send()

    def say(self, level: str, event: str, fields: Mapping[str, Any], now: float) -> None:
        """A line in the very form that structlog's processors would give it, at a fifth of their cost.

        `now` is seconds since the epoch.
        """
        if now != self._at:
            self._at = now
            self._stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        self.write(_encode({**fields, "event": event, "level": level, "timestamp": self._stamp}) + b"\n")

    def flush(self) -> None:
        """Nothing: what a logger asks for after every line comes when the loop comes round."""

    def send(self) -> None:
        """Write what waits, as far as somebody reads; the rest a little later."""
        self._stalled = not self._put(0.0)
        if self._stalled:
            try:
                asyncio.get_running_loop().call_later(self.AGAIN, self.send)
            except RuntimeError:
                self._stalled = False

    def finish(self) -> None:
        """Write what waits, before the process ends or where no loop runs; wait for a reader for a second."""
        self._put(1.0)

    def _put(self, patience: float) -> bool:
        """Whether all that waits is written. `patience`: seconds to wait for a reader, each time."""
        lines, self._waiting, self._size = self._waiting, [], 0
        waiting = b"".join(lines)  # not before: a line that a thread adds meanwhile must not be left behind
        if not waiting:
            return True
        stderr = sys.stderr.buffer
        try:
            number = stderr.fileno()
            blocks = not stat.S_ISREG(os.fstat(number).st_mode)
        except (OSError, ValueError):  # no file at all, as under a test's capture
            blocks = False
        if not blocks:
            stderr.write(waiting)
            stderr.flush()
            return True
        ready = select.poll()
        ready.register(number, select.POLLOUT)
        at = 0
        while at < len(waiting):
            # What is ready to be written to takes this much without making us wait.
            if not ready.poll(patience * 1000):
                self._waiting.insert(0, waiting[at:])
                self._size += len(waiting) - at
                return False
            try:
                at += os.write(number, waiting[at : at + select.PIPE_BUF])
            except OSError:  # the reader is gone for good: nobody is left to be told
                return True
        if not self._left_out:
            return True
        self._waiting.append(self._confession())
        return self._put(patience)

    def _confession(self) -> bytes:
        """How many lines are missing at this place."""
        count, self._left_out = self._left_out, 0
        stamp = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = {
            "lines": count,
            "why": "nobody read them",
            "event": "logs.left_out",
            "level": "warning",
            "timestamp": stamp,
        }
        return _encode(line) + b"\n"


_lines = Lines()


def flush() -> None:
    """Write what waits, before a process ends without more ado."""
    _lines.finish()


def hot_lines() -> Lines | None:
    """Where lines are JSON, a short way of saying what is said thousands of times a second; None where people read."""
    return _lines if _lines.json else None


def configure(level: str = "info", format: Format = "json") -> None:
    """Send every log line to stderr, from `level` (debug, info, warning, error) up. Call it again to change it."""
    if level not in LEVELS:
        raise ValueError(f"log level {level!r}: expected one of {', '.join(LEVELS)}")
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    factory: Any
    ends: Sequence[Any]
    _lines.json = format == "json"
    if format == "json":
        ends = (structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_encode))
        factory = structlog.BytesLoggerFactory(_lines)  # type: ignore[arg-type]  # it writes and flushes; no more is asked
    else:
        # Plain, as in JSON: where rich is installed, structlog's own shows each frame's variables, secrets and all.
        plain = structlog.dev.plain_traceback
        ends = (structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain),)
        factory = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(
        processors=[*shared, *ends],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    _route_libraries(shared, ends, LEVELS[level])


def _route_libraries(shared: Sequence[Any], ends: Sequence[Any], ours: int) -> None:
    """Make the standard library's loggers speak as ours do: libraries from `warning` up, our own from `ours` up."""
    level = max(ours, logging.WARNING)
    handler = _Through() if _lines.json else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=())],
            processors=[_name_library_event, *(_as_text(end) for end in ends)],
        )
    )
    handler.addFilter(NotAgain())
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger(OURS).setLevel(ours)
    logging.captureWarnings(True)


class _Through(logging.Handler):
    """Puts a library's line among ours."""

    def emit(self, record: logging.LogRecord) -> None:
        _lines.write(f"{self.format(record)}\n".encode())


class NotAgain(logging.Filter):
    """Lets a sentence of a logger through once in `REPEAT_PAUSE` seconds, with the number of those held back."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to say it now."""
        if _is_ours(record):
            return True
        key = (record.name, str(record.msg))
        last, held = self._said.get(key, (float("-inf"), 0))
        if record.created - last < REPEAT_PAUSE:
            self._said[key] = (last, held + 1)
            return False
        if len(self._said) >= _SENTENCES:
            self._said.clear()
        self._said[key] = (record.created, 0)
        record.held_back = held
        return True


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name == OURS or record.name.startswith(OURS + ".")


def _name_library_event(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A library's sentence becomes the field `said` of an event named `library.said`.

    Ours begin with the event's name; what follows it is what was said.
    """
    record: logging.LogRecord = line.pop("_record")
    line.pop("_from_structlog", None)
    line["event"], line["said"] = "library.said", line["event"]
    if _is_ours(record):
        line["event"], _, line["said"] = str(line["said"]).partition(" ")
    line["logger"] = record.name
    if held := getattr(record, "held_back", 0):
        line["held_back"] = held
    return line


def _as_text(processor: Any) -> Any:
    """The renderer for a handler that writes text, where ours gives bytes."""
    if not isinstance(processor, structlog.processors.JSONRenderer):
        return processor

    def render(logger: Any, method: str, line: dict[str, Any]) -> str:
        line_of_json: bytes = processor(logger, method, line)  # type: ignore[assignment]  # our serializer gives bytes
        return line_of_json.decode()

    return render


def _encode(line: dict[str, Any], **_: Any) -> bytes:
    """One JSON line; what JSON has no word for is said as text. A line that is odd must not end who says it."""
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # half a character, as in a file's name that is no UTF-8; a number beyond 64 bits
        return json.dumps(line, default=str).encode()
