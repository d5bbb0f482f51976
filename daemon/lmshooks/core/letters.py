"""What becomes of a malformed event? Its dead letter is written; a failure holds that letter, never the feed.

The partition record lists the letters that are not yet written, so the commit need not wait for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lmshooks.core.commands import Bury, Read
from lmshooks.core.events import LetterReason, Record, parse
from lmshooks.core.facts import Stalled
from lmshooks.core.positions import Position

if TYPE_CHECKING:
    from lmshooks.core.ownership import Ownership


class Letter:
    """A malformed event whose dead letter is not yet written."""

    __slots__ = ("bury", "order", "out", "retry_at")

    def __init__(self, bury: Bury) -> None:
        self.bury = bury
        self.order: Bury | Read = bury
        """What is under way for it: the writing, or the reading of its bytes."""
        self.out = True
        self.retry_at = 0.0

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.bury.value or b"")


def add(own: Ownership, record: Record, index: int, reason: LetterReason, why: str) -> None:
    """Order the dead letter of one bad event of a record."""
    bury = Bury(
        (own, own.tenure), own.partition, record.offset, index, reason, why, None, None, record.value,
        tuple(record.headers),
    )  # fmt: skip
    letter, before = Letter(bury), own.letters.get((record.offset, index))
    own.letters[record.offset, index] = letter
    own.context.memory += letter.size - (before.size if before is not None else 0)
    own.context.commands.append(bury)


def reread(own: Ownership, position: Position) -> None:
    """A letter that was not yet written when the last owner ended: its bytes are read again."""
    ticket = (own, own.tenure, position)
    own.letters[position] = Letter(
        Bury((own, own.tenure), own.partition, *position, LetterReason.EXPIRED, "the log no longer holds it",
             None, None, None, ())
    )  # fmt: skip
    letter = own.letters[position]
    letter.order = Read(ticket, own.partition, 0, position[0], position[0] + 1)
    own.context.commands.append(letter.order)


def read_again(own: Ownership, position: Position, records: Sequence[Record]) -> None:
    """The bytes of a letter that a former owner left, or their absence."""
    for record in records:
        if record.offset == position[0]:
            for index, reason, why in parse(record, own.context.limits.event_bytes)[1]:
                if index == position[1]:
                    add(own, record, index, reason, why)
                    return
    letter = own.letters.get(position)
    if letter is not None:
        letter.order = letter.bury
        own.context.commands.append(letter.order)


def unread(own: Ownership, position: Position, now: float) -> None:
    """Its bytes could not be read: they are asked for again."""
    letter = own.letters.get(position)
    if letter is not None:
        letter.out = False
        letter.retry_at = now + 1.0
        own.context.wake_at(letter.retry_at)


def written(own: Ownership, bury: Bury, ok: bool, now: float) -> bool:
    """A letter is written, or is tried again. A failure holds that letter, never the feed."""
    letter = own.letters.get((bury.offset, bury.index))
    if letter is None:
        return False
    if not ok:
        letter.out = False
        letter.retry_at = now + 5.0
        own.context.wake_at(letter.retry_at)
        own.context.facts.append(Stalled(own.partition, "letter"))
        return False
    own.context.memory -= letter.size
    del own.letters[bury.offset, bury.index]
    own.dirty = True
    return True


def forget(own: Ownership) -> None:
    """They are the next owner's to write."""
    own.context.memory -= sum(letter.size for letter in own.letters.values())
    own.letters.clear()


def retry(own: Ownership, now: float) -> None:
    """Write again what failed long enough ago."""
    for letter in own.letters.values():
        if not letter.out and now >= letter.retry_at:
            letter.out = True
            own.context.commands.append(letter.order)
