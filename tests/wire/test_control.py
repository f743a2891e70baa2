"""The control plane's wire: targets, bodies of any kind, answers, and what boto3 sends."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepwell.model.errors import (
    RequestError,
    SerializationError,
    UnknownOperationError,
    ValidationError,
)
from stepwell.wire.control import ControlRequest, decode_control, encode_document
from stepwell.wire.errors import error_body
from stepwell.wire.operations import OPERATIONS
from stepwell.wire.operations.search import EXPRESSION_LEVELS_MAX
from stepwell.wire.shapes import (
    Boolean,
    Double,
    Integer,
    ListOf,
    MapOf,
    Recursive,
    Shape,
    String,
    Structure,
    Timestamp,
)

from .samples import full

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Any JSON, as Python has it.
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["\ud800", "NaN", "a" * 400, 10**400, -1, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
#: Every member at the top of every operation.
MEMBERS = [(name, member) for name in OPERATIONS for member in OPERATIONS[name].input.members]


@pytest.fixture(scope="module")
def service() -> ServiceModel:
    """Give boto3's description of the service."""
    return botocore.session.get_session().get_service_model("sagemaker")


def search(expression: Any) -> ControlRequest:
    """Decode a search."""
    document = {"Resource": "Experiment", "SearchExpression": expression}
    return decode_control("SageMaker.Search", json.dumps(document).encode())


def nested(levels: int) -> dict[str, Any]:
    """Make a search expression of so many levels."""
    expression: dict[str, Any] = {"Filters": [{"Name": "ExperimentName"}]}
    for _ in range(levels - 1):
        expression = {"SubExpressions": [expression]}
    return expression


@pytest.mark.parametrize(
    "target",
    [
        *(None, "", "SageMaker", "SageMaker.", "Search", ".Search", "sagemaker.Search"),
        *("SageMaker.search", "SageMaker.Search ", " SageMaker.Search", "SageMaker.Search\n"),
        *("SageMaker.SageMaker.Search", "SageMakerMetrics.Search", "DynamoDB_20120810.Search"),
        *("SageMaker.CreateTrainingJob", "SageMaker.BatchPutMetrics", "SageMaker.__class__"),
        "\udce9\xff" * 100_000,
    ],
)
def test_unknown_targets(target: str | None) -> None:
    """Whatever is not one of our operations is unknown, and a short answer says what we have."""
    with pytest.raises(UnknownOperationError, match="Experiments and lineage operations") as caught:
        decode_control(target, b"{}")
    assert len(error_body("UnknownOperationException", str(caught.value))) < 4000


def test_a_target_comes_before_its_body() -> None:
    """An unknown operation is unknown whatever its body is."""
    with pytest.raises(UnknownOperationError):
        decode_control("SageMaker.CreateTrainingJob", b"{")


@pytest.mark.parametrize("body", [b"", b"  \r\n", b"{}", b' {"Unknown": [null]} '])
def test_empty_bodies(body: bytes) -> None:
    """An operation that needs nothing takes a body with nothing in it."""
    assert decode_control("SageMaker.ListExperiments", body) == ("ListExperiments", {})


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"1", b'"a"', b"{", b"{} {}", b"\xff", b'{"a":}', b"\xef\xbb\xbf{}", b"\x00"],
)
def test_bodies_that_are_no_object(body: bytes) -> None:
    """What is not one JSON object in UTF-8 is a SerializationException."""
    with pytest.raises(SerializationError):
        decode_control("SageMaker.ListExperiments", body)


def test_the_last_of_equal_keys_wins() -> None:
    """Of two members with one name the last is read, as Python and JavaScript read it."""
    body = b'{"MaxResults": "x", "MaxResults": 7}'
    assert decode_control("SageMaker.ListExperiments", body).members == {"MaxResults": 7}


def test_null_members_are_absent() -> None:
    """A member that is null is as if it were not there; a required one is missing then."""
    body = b'{"MaxResults": null, "NextToken": null}'
    assert decode_control("SageMaker.ListExperiments", body).members == {}
    with pytest.raises(
        ValidationError, match=r"'experimentName' failed .* Member must not be null"
    ):
        decode_control("SageMaker.CreateExperiment", b'{"ExperimentName": null}')


def test_all_problems_are_reported() -> None:
    """Every broken member is named in one answer, with their count first."""
    document = {"ExperimentName": "-", "DisplayName": "", "Tags": [{"Key": "", "Value": "\t"}]}
    with pytest.raises(ValidationError, match=r"^5 validation errors detected: ") as caught:
        decode_control("SageMaker.CreateExperiment", json.dumps(document).encode())
    for path in ("experimentName", "displayName", "tags.1.member.key", "tags.1.member.value"):
        assert f"'{path}'" in str(caught.value)


def test_expressions_may_be_so_deep() -> None:
    """A search expression of as many levels as are allowed comes through whole."""
    expression = nested(EXPRESSION_LEVELS_MAX)
    assert search(expression).members["SearchExpression"] == expression


@pytest.mark.parametrize("levels", [EXPRESSION_LEVELS_MAX + 1, 50, 150])
def test_expressions_that_are_too_deep(levels: int) -> None:
    """One level more is a ValidationException that says how deep they may be."""
    with pytest.raises(ValidationError, match="nested deeper than 20 levels"):
        search(nested(levels))


@pytest.mark.parametrize("levels", [1_000, 100_000, 1_000_000])
@pytest.mark.parametrize(
    ("start", "middle", "end"),
    [
        (b'{"SearchExpression":', b'{"SubExpressions":[', b"]}"),
        (b'{"Unknown":', b"[", b"]"),
        (b'{"Tags":', b'{"a":', b"}"),
        (b"", b"[", b""),
    ],
)
def test_hostile_nesting(start: bytes, middle: bytes, end: bytes, levels: int) -> None:
    """A body nested as deep as a body can be is refused: it neither crashes nor takes long."""
    body = start + middle * levels + b"null" + end * levels + b"}"
    began = time.perf_counter()
    with pytest.raises(RequestError):
        decode_control("SageMaker.Search", body)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("name", "one", "member"),
    [
        ("DeleteTags", '"",', "TagKeys"),
        ("AddTags", '{"Key":"","Value":"\\t"},', "Tags"),
        ("UpdateTrialComponent", '"\\ud800",', "ParametersToRemove"),
        ("Search", '{"SubExpressions":[]},', "SubExpressions"),
    ],
)
def test_millions_of_broken_members(name: str, one: str, member: str) -> None:
    """A body full of broken members is answered with some of them, in kilobytes."""
    items = f"[{(one * (4_000_000 // len(one)))[:-1]}]"
    members = f'"{member}":{items}'
    if name == "Search":
        members = f'"Resource":"Experiment","SearchExpression":{{{members}}}'
    with pytest.raises(ValidationError) as caught:
        decode_control(f"SageMaker.{name}", f"{{{members}}}".encode())
    assert len(error_body("ValidationException", str(caught.value))) < 64_000


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(MEMBERS), ANY)
def test_any_member(place: tuple[str, str], value: Any) -> None:
    """Any JSON in place of any member is taken or refused in words that can be sent."""
    name, member = place
    document = {**full(OPERATIONS[name].input), member: value}
    refusal, members = None, {}
    try:
        members = decode_control(f"SageMaker.{name}", json.dumps(document).encode()).members
    except (SerializationError, ValidationError) as error:
        refusal = error
    if refusal is None:
        assert members.keys() <= document.keys()
        encode_document(members)
    else:
        assert len(error_body("Code", str(refusal))) < 64_000


def inputs(  # noqa: C901, PLR0911 - one case a kind
    shape: Shape,
) -> st.SearchStrategy[tuple[Any, Any]]:
    """Make what a user of boto3 passes, each with what must be decoded from it."""
    match shape:
        case String():
            return texts(shape).map(lambda text: (text, text))
        case Integer():
            return st.integers(shape.min, shape.max).map(lambda number: (number, number))
        case Double():
            numbers = st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
            return numbers.map(lambda number: (number, float(number)))
        case Boolean():
            return st.booleans().map(lambda value: (value, value))
        case Timestamp():
            times = st.integers(0, 4_102_444_800_000_000)
            return times.map(lambda us: (EPOCH + timedelta(microseconds=us), us))
        case ListOf():
            lists = st.lists(inputs(shape.shape), min_size=shape.min, max_size=max(shape.min, 3))
            lists = lists.map(lambda items: items[: shape.max])
            return lists.map(lambda items: ([one for one, _ in items], [two for _, two in items]))
        case MapOf():
            maps = st.dictionaries(texts(shape.key), inputs(shape.shape), max_size=3)
            return maps.map(pair_of)
        case Recursive():
            # A level of its own, and below it only what does not go on.
            rest = Structure(
                {
                    name: each
                    for name, each in shape.shape.members.items()
                    if name != "SubExpressions"
                }
            )
            below = ListOf(rest, 1, 20)
            return inputs(Structure({**rest.members, "SubExpressions": below}))
        case Structure() if shape.is_union:
            members = shape.members.items()
            return st.one_of(
                *(
                    inputs(each).map(lambda pair, name=name: pair_of({name: pair}))
                    for name, each in members
                )
            )
        case Structure():
            needed = {name: inputs(shape.members[name]) for name in shape.required}
            optional = {
                name: inputs(each) for name, each in shape.members.items() if name not in needed
            }
            return st.fixed_dictionaries(needed, optional=optional).map(pair_of)
    raise AssertionError(shape)


def pair_of(pairs: dict[str, tuple[Any, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Turn members that are pairs into a pair of members."""
    return (
        {name: one for name, (one, _) in pairs.items()},
        {name: two for name, (_, two) in pairs.items()},
    )


def texts(shape: String) -> st.SearchStrategy[str]:
    """Make texts that fit a shape."""
    if shape.choices:
        return st.sampled_from(shape.choices)
    most = min(shape.max or 40, 40)
    if shape.pattern is None:
        return st.text(st.characters(exclude_categories=["Cs"]), min_size=shape.min, max_size=most)
    if r"\p" in shape.pattern.spelled:
        chars = st.characters(categories=["L", "Z", "N"], include_characters="_.:/=+-@")
        return st.text(chars, min_size=shape.min, max_size=most)
    fitting = st.from_regex(shape.pattern.spelled.replace(r"\w", "[a-zA-Z0-9_]"), fullmatch=True)
    return fitting.filter(lambda text: not shape.broken_rules(text))


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_boto3_sends(service: ServiceModel, name: str, data: st.DataObject) -> None:
    """Every valid input that boto3 serializes is decoded to what its user passed."""
    passed, wanted = data.draw(inputs(OPERATIONS[name].input))
    serializer = create_serializer(service.metadata["protocol"], include_validation=True)
    request = serializer.serialize_to_request(passed, service.operation_model(name))
    body = request["body"]
    decoded = decode_control(
        request["headers"]["X-Amz-Target"], body if isinstance(body, bytes) else body.encode()
    )
    assert decoded == (name, wanted)


def test_encoding_leaves_none_out() -> None:
    """Members that are None are left out at every level; what is merely empty stays."""
    document = {
        "A": None,
        "B": {"C": None, "D": [{"E": None, "F": 0}], "G": ({"H": None},)},
        "I": [],
        "J": "",
        "K": False,
        "L": {},
    }
    wanted = {"B": {"D": [{"F": 0}], "G": [{}]}, "I": [], "J": "", "K": False, "L": {}}
    assert json.loads(encode_document(document)) == wanted
