"""Tokens keep a place in a list as it is, whatever the list is sorted by."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.catalog.paging import Place
from stepwell.model.errors import ValidationError
from stepwell.server.control.tokens import Tokens

TOKENS = Tokens(b"k" * 32)

_values = st.one_of(
    st.text(max_size=200), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)
)
_places = st.builds(Place, _values, st.integers(0, 2**63 - 1), st.integers(0, 3))


@given(_places, st.binary(max_size=50))
def test_a_place_comes_back(place: Place, scope: bytes) -> None:
    """What a token was made of is what is read from it, infinities and a zero's sign included."""
    found = TOKENS.decode(TOKENS.encode(place, scope), scope)
    assert found == place
    assert type(found.value) is type(place.value)
    if isinstance(place.value, float):
        assert isinstance(found.value, float)
        assert math.copysign(1, found.value) == math.copysign(1, place.value)


@pytest.mark.parametrize("token", ["", "x", "AAAA", "A" * 22, "é", "a" * 8192])
def test_garbage_is_refused(token: str) -> None:
    """Whatever is no token of this listing is named as one that is not."""
    with pytest.raises(ValidationError, match="nextToken"):
        TOKENS.decode(token, b"scope")
