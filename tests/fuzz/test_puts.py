"""BatchPutMetrics with any bytes: the documented answer, and exactly the accepted points kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from .bodies import BODY_BYTES_MAX, puts, spoiled, travels
from .budget import ran, share
from .checks import check_form, check_stored, count_query
from .line import Travel
from .model import Expected, expected_put

if TYPE_CHECKING:
    from .conftest import Fuzzed


def put(fuzzed: Fuzzed, body: bytes, travel: Travel, put_id: str | None = None) -> Expected:
    """Send a put, check its answer, and give what it should have been."""
    if len(body) > BODY_BYTES_MAX:
        # Refused before it is whole, and then its connection may end under the rest of it.
        travel = Travel()
    headers = {"amz-sdk-invocation-id": put_id} if put_id else {}
    answer = fuzzed.line.send("PUT", "/BatchPutMetrics", body, headers, travel)
    check_form(answer)
    expected = expected_put(body, BODY_BYTES_MAX)
    if answer.status == 200 and expected.code == "SerializationException":
        # Members that the API does not have are passed over as bytes, be they UTF-8 or not.
        expected = expected_put(body.decode(errors="replace").encode(), 3 * BODY_BYTES_MAX)
    assert (answer.status, answer.code) == (expected.status, expected.code), answer
    if answer.status == 200:
        assert answer.json() == {"Errors": expected.errors}
    return expected


def check_accepted(fuzzed: Fuzzed, expected: Expected) -> None:
    """Note the points of a put that was answered, and read each of its series back."""
    accepted = [point for point in expected.points if point is not None]
    for point in accepted:
        fuzzed.ledger[expected.component, point.metric].append(point)
    for metric in dict.fromkeys(point.metric for point in accepted):
        points = fuzzed.ledger[expected.component, metric]
        check_stored(fuzzed.line, expected.component, metric, points)


@share(10)
@given(
    body=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-16")),
    travel=travels(),
)
def test_any_bytes(fuzzed: Fuzzed, body: bytes, travel: Travel) -> None:
    """Bytes that are no request get their documented error."""
    ran["puts of any bytes"] += 1
    assert put(fuzzed, body, travel).status == 400


@share(45)
@given(data=st.data())
def test_spoiled_puts(fuzzed: Fuzzed, data: st.DataObject) -> None:
    """Whatever happens to a good put, items that are good are stored, exactly, and no others."""
    ran["spoiled puts"] += 1
    component = fuzzed.new_component()
    body = data.draw(puts(component).flatmap(spoiled))
    travel = data.draw(travels())
    check_accepted(fuzzed, put(fuzzed, body, travel))
    if not any(name == component for name, _ in fuzzed.ledger):
        (result,) = fuzzed.line.get(count_query(component, "loss"))
        assert result["Status"] == "ValidationError"


@share(5)
@given(data=st.data())
def test_spoiled_retries(fuzzed: Fuzzed, data: st.DataObject) -> None:
    """A put that comes again with its id, however it travels, is answered alike and stored once."""
    ran["spoiled puts, sent twice"] += 1
    component = fuzzed.new_component()
    body = data.draw(puts(component).flatmap(spoiled))
    ways = data.draw(st.lists(travels(), min_size=2, max_size=2))
    expected, _ = (put(fuzzed, body, travel, component) for travel in ways)
    check_accepted(fuzzed, expected)
