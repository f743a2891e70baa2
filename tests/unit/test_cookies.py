"""Sessions' cookies: ours and in time, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.model.errors import ThrottledError
from stepwell.server.studio.cookies import SESSION_S, Cookies
from stepwell.server.studio.session import Failures

COOKIES = Cookies(b"k" * 32)
NOW = 1_700_000_000.5


def test_a_session_ends() -> None:
    """A cookie is good for twelve hours, on every worker, while its key has the same secret."""
    cookie = COOKIES.make("SWAK1", "secret", NOW)
    for moment in (NOW, NOW + SESSION_S - 1):
        session = Cookies(b"k" * 32).read(cookie, moment)
        assert session is not None
        assert session.key_id == "SWAK1"
        assert COOKIES.fits(session, "secret")
        assert not COOKIES.fits(session, "another")
    assert COOKIES.read(cookie, NOW + SESSION_S) is None
    assert Cookies(b"j" * 32).read(cookie, NOW) is None


def test_tokens_belong_to_their_cookies() -> None:
    """Two sessions of one key have two tokens."""
    first, second = (COOKIES.make("SWAK1", "secret", NOW + age) for age in (0, 1))
    assert COOKIES.csrf(first) == COOKIES.csrf(first) != COOKIES.csrf(second)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_no_cookie(text: str) -> None:
    """Whatever is not ours is nothing, and no error."""
    assert COOKIES.read(text, NOW) is None


def test_failures_are_forgotten() -> None:
    """An address waits for a minute after ten failures; others do not."""
    failures = Failures()
    for _ in range(10):
        failures.check("a", NOW)
        failures.note("a", NOW)
    with pytest.raises(ThrottledError):
        failures.check("a", NOW + 59)
    failures.check("b", NOW + 59)
    failures.check("a", NOW + 61)
    assert not failures._times


def test_failures_of_many_addresses() -> None:
    """Many addresses with a failure each are held back as well, and do not fill the memory."""
    failures = Failures()
    for index in range(20_000):
        failures.note(str(index), NOW)
    assert len(failures._times) <= 10_000
    with pytest.raises(ThrottledError):
        failures.check("new", NOW)
