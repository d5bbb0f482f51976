"""Does the subscription want this event, by its content?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Filter(Protocol):
    """A compiled filter."""

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Whether the parsed event object passes; a missing field is not an error."""
