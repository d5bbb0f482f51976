"""Amounts as people say them."""

from __future__ import annotations

import pytest

from lmshooks.cli.amounts import many, size


@pytest.mark.parametrize(("count", "said"), [(0, "0 events"), (1, "1 event"), (2, "2 events"), (1234, "1,234 events")])
def test_one_is_one(count: int, said: str) -> None:
    assert many(count, "event") == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "1 byte"),
        (365, "365 bytes"),
        (1024, "1.0 KiB"),
        (7_000, "6.8 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 30, "3.0 GiB"),
    ],
)
def test_bytes_have_the_unit_that_fits(count: int, said: str) -> None:
    assert size(count) == said
