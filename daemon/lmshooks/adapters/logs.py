"""How is it said? One line an event on stderr: JSON for machines, colours for people.

Names, not sentences: `delivery.attempted` with fields. What libraries log through the standard library goes the same
way from `warning` up, and the same sentence at most once in ten seconds: an aiokafka client that cannot reach its
broker says so hundreds of times a minute.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping, Sequence
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
    if format == "json":
        ends = (structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_encode))
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    else:
        ends = (structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),)
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
    handler = logging.StreamHandler(sys.stderr)
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
    """One JSON line; what JSON has no word for is said as text."""
    return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS)
