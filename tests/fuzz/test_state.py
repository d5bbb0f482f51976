"""Does every entry of the state topic count or become damage that is told, whatever its bytes are?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.state import SOUND, check

CORPUS = sorted((Path(__file__).parent / "corpus" / "state").iterdir())
PATIENT = settings(deadline=None, max_examples=300)

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 1.5, 2**63, 2**64, 10**30, "", "x", "\u0000", [], [[]], {}, {"X": 1}, [1], [1, 2], [1, "2"],
     [[1, 2]], [None, None], {"X": "windowed"}, [["d", [0, 0], ["k"], 1, 0]], [["d", [], [], 1, 0]],
     [[0, {"X": "nonsense"}]]]
)  # fmt: skip


@st.composite
def odd(draw):
    """A sound entry in which one thing or two are others than they should be."""
    key, value = draw(st.sampled_from(SOUND))
    fields = orjson.loads(value)
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from([*fields, "v", "t", "s", "dropped", "p", "o", "new"]))
        if draw(st.booleans()):
            fields[name] = draw(ODD)
        else:
            fields.pop(name, None)
    text = repr(fields).replace("'", '"').replace("None", "null").replace("True", "true").replace("False", "false")
    return key + b"\n" + text.encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw):
    data = bytearray(b"\n".join(draw(st.sampled_from(SOUND))))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 10)))
        data[start:end] = draw(st.binary(max_size=4) | st.sampled_from([b"|", b"-1", b"9" * 30, b"]", b"\xff", b'"']))
    return bytes(data)


@PATIENT
@given(odd())
def test_a_sound_entry_with_something_odd_in_it(data):
    check(data)


@PATIENT
@given(damaged())
def test_a_damaged_entry(data):
    check(data)


@PATIENT
@given(
    st.sampled_from(
        [*(key for key, _ in SOUND), b"", b"claim|a|0", b"claim|a|b", b"lane|a|0|q|x", b"later|a", b"\xff"]
    ),
    st.binary(max_size=40),
)
def test_any_value_under_any_key(key, value):
    check(key + b"\n" + value)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_every_entry_of_the_corpus(path):
    check(path.read_bytes())


@pytest.mark.parametrize("entry", SOUND, ids=lambda entry: entry[0].decode())
def test_what_is_sound_counts(entry):
    assert not check(b"\n".join(entry)).damaged
