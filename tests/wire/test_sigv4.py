"""Signatures: botocore's signer as the oracle, stage by stage; vectors; what tampering does."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.model.errors import IncompleteSignatureError, MissingAuthenticationError
from stepwell.wire import sigv4

from .signers import REGION, SECRET, Signed, sign, with_headers

_HOST = "metrics.example.com:7837"
#: As a path or a query may carry them: some encoded that need not be, some not although they may.
_PIECES = st.sampled_from(
    [
        *("a", "Z9", "-", "_", ".", "~", "%2F", "%2f", "+", "%20", "%25", "%C3%A9", "%E1%88%B4"),
        *("%7E", "%00", "%2B", "%26", "%3D", ":", "@", "!", "$", "'", "(", ")", "*", ",", ";"),
        "%F0%9F%98%80",
    ]
)
_SEGMENTS = st.lists(_PIECES, max_size=4).map("".join) | st.sampled_from(["", ".", ".."])
PATHS = st.lists(_SEGMENTS, max_size=5).map(lambda parts: "/" + "/".join(parts))
_WORDS = st.lists(_PIECES | st.sampled_from(["/", "?"]), max_size=4).map("".join)
#: Repeated names, names without a value, values without a name.
_PAIRS = st.one_of(
    st.builds("{}={}".format, st.sampled_from(["a", "A", "b", "%61", "X-Amz-Z"]) | _WORDS, _WORDS),
    _WORDS,
)
QUERIES = st.lists(_PAIRS, max_size=5).map("&".join)
_WHITE = st.sampled_from(["", " ", "  ", "\t", " \t ", "   "])
_VALUE_WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=6
).filter(lambda text: not any("\x7f" <= each <= "\x9f" for each in text))
VALUES = st.lists(st.tuples(_WHITE, _VALUE_WORDS, _WHITE), max_size=4).map(
    lambda parts: "".join(map("".join, parts))
)
_NAMES = st.sampled_from(
    ["X-Amz-Target", "Content-Type", "X-Amz-Meta", "amz-sdk-invocation-id", "x_odd.name", "Accept"]
)
HEADERS = st.lists(st.tuples(_NAMES, VALUES), max_size=6)
BODIES = st.binary(max_size=40) | st.sampled_from([b'{"MetricData":[]}', b"x" * 5000])
METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"])


@st.composite
def signed(draw: st.DrawFn) -> Signed:
    """Draw a request that botocore has signed, in either form, with the body stated or not."""
    url = f"http://{_HOST}{draw(PATHS)}"
    query = draw(QUERIES)
    headers, body = draw(HEADERS), draw(BODIES)
    digest = hashlib.sha256(body).hexdigest()
    stated = draw(st.sampled_from([None, digest, "UNSIGNED-PAYLOAD"]))
    if stated is not None:
        headers = [*headers, ("X-Amz-Content-SHA256", stated)]
    if draw(st.booleans()):
        return sign(draw(METHODS), f"{url}?{query}" if query else url, headers, body)
    expires_s = draw(st.integers(1, 604_800))
    body = b"" if stated is None else body
    return sign(draw(METHODS), f"{url}?{query}", headers, body, expires_s=expires_s)


def is_accepted(request: sigv4.Request, secret: str = SECRET) -> bool:
    """Say whether a request passes: it has a signature, which is right, over this body."""
    try:
        signature = sigv4.parse(request)
    except (IncompleteSignatureError, MissingAuthenticationError):
        return False
    is_genuine = sigv4.is_genuine(request, signature, secret)
    return is_genuine and sigv4.is_payload_intact(request, signature)


@settings(deadline=None)
@given(signed())
def test_the_stages_are_botocores(made: Signed) -> None:
    """Canonical request, string to sign and signature are the ones that botocore has computed."""
    request, canonical, to_sign = made
    signature = sigv4.parse(request)
    payload = sigv4.payload_of(request, signature)
    # botocore signs a query as it sends it, which is one of the readings.
    candidates = [
        sigv4.canonical_request(each, signature, payload) for each in sigv4.readings(request)
    ]
    assert canonical in candidates
    assert sigv4.string_to_sign(signature, canonical) == to_sign
    key = sigv4.signing_key(SECRET, signature.claim.date, REGION, "sagemaker")
    assert sigv4.hmac.digest(key, to_sign.encode(), "sha256").hex() == signature.digest
    assert is_accepted(request)


@settings(deadline=None)
@given(
    PATHS, st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4), HEADERS, BODIES
)
def test_queries_in_canonical_form(
    path: str, params: dict[str, str], headers: list[tuple[str, str]], body: bytes
) -> None:
    """Parameters that a client encodes in one way and signs in the canonical one are read right."""
    params = {name: value for name, value in params.items() if name}
    made = sign("PUT", f"http://{_HOST}{path}", headers, body, params=params)
    signature = sigv4.parse(made.request)
    first = sigv4.readings(made.request)[0]
    payload = sigv4.payload_of(made.request, signature)
    assert sigv4.canonical_request(first, signature, payload) == made.canonical
    assert is_accepted(made.request)


@settings(deadline=None)
@given(
    signed(),
    # HMAC fills a key up with zeros: with nothing else behind it, a secret is the same one.
    st.text(st.characters(codec="ascii"), min_size=1, max_size=8).filter(lambda t: t.strip("\0")),
)
def test_another_secret(made: Signed, more: str) -> None:
    """No signature of one secret passes for another one."""
    assert not is_accepted(made.request, SECRET + more)
    assert not is_accepted(made.request, SECRET[:-1])
    assert not is_accepted(made.request, "")


@settings(deadline=None)
@given(signed(), st.data())
def test_tampering(made: Signed, data: st.DataObject) -> None:
    """Whatever part of a request that was signed is altered, it passes no more."""
    request = made.request
    claim = sigv4.parse(request).claim
    in_query = "authorization" not in request.headers
    altered = {
        "method": request._replace(method="PATCH"),
        "path": request._replace(path=request.path + "/x"),
        "query": request._replace(query=f"{request.query}&x=y" if request.query else "x=y"),
        "scope": _replaced(request, REGION, "us-east-1", in_query=in_query),
        "date": _replaced(request, claim.date, "20150830", in_query=in_query),
    }
    if sigv4.parse(request).payload != "UNSIGNED-PAYLOAD":
        altered["body"] = request._replace(body=request.body + b" ")
    for name in claim.names:
        raw = name.encode()
        value = request.headers.get(name, "").encode("latin-1")
        altered[name] = with_headers(request, {raw: value + b"x"})
        if value:
            altered[f"no {name}"] = with_headers(request, {raw: None})
    if in_query:
        altered["expires"] = request._replace(
            query=request.query.replace("X-Amz-Expires=", "X-Amz-Expires=1")
        )
    what = data.draw(st.sampled_from(sorted(altered)))
    assert not is_accepted(altered[what]), what


def _replaced(request: sigv4.Request, old: str, new: str, *, in_query: bool) -> sigv4.Request:
    """Alter the claim, and what goes with it."""
    if in_query:
        return request._replace(query=request.query.replace(old, new))
    changed = {
        name: request.headers[name.decode()].replace(old, new).encode("latin-1")
        for name in (b"authorization", b"x-amz-date")
    }
    return with_headers(request, dict(changed))


@settings(deadline=None)
@given(signed(), st.integers(0, 63), st.sampled_from("0123456789abcdef"))
def test_every_digit_counts(made: Signed, index: int, digit: str) -> None:
    """A signature of which one digit differs does not pass."""
    digest = sigv4.parse(made.request).digest
    other = digest[:index] + digit + digest[index + 1 :]
    request = _replaced(
        made.request, digest, other, in_query="authorization" not in made.request.headers
    )
    assert is_accepted(request) == (digit == digest[index])


@settings(deadline=None)
@given(PATHS.filter(lambda path: "/.." not in path), QUERIES, HEADERS, BODIES, st.data())
def test_behind_a_proxy(
    path: str, query: str, headers: list[tuple[str, str]], body: bytes, data: st.DataObject
) -> None:
    """A proxy may take a prefix and the host away if it says so, and in no other case."""
    prefix = data.draw(st.sampled_from(["/team", "/a/b", "/x~y", "/p%20q"]))
    made = sign("PUT", f"https://front.example.com{prefix}{path}?{query}", headers, body)
    inner = made.request._replace(path=path)
    host, told = {b"host": b"10.0.0.1:7837"}, {b"x-forwarded-host": b"front.example.com"}
    behind = with_headers(inner, {**host, **told, b"x-forwarded-prefix": f"{prefix}/".encode()})
    assert is_accepted(behind)
    assert is_accepted(with_headers(inner, {b"x-forwarded-prefix": prefix.encode()}))
    assert is_accepted(with_headers(made.request, {**host, **told}))
    several = {b"x-forwarded-host": b"front.example.com, 10.0.0.7"}
    assert is_accepted(with_headers(made.request, {**host, **several}))
    assert not is_accepted(with_headers(made.request, host))
    assert not is_accepted(with_headers(behind, {b"x-forwarded-host": b"other.example.com"}))
    assert not is_accepted(with_headers(behind, {b"x-forwarded-prefix": b"/other"}))


@pytest.mark.parametrize("text", ["é", "naïve  café", "à", "日本", "😀 \u00a0", "\u00a0x\u0085"])
@pytest.mark.parametrize("white", [None, " "])
def test_header_values_in_utf_8(text: str, white: str | None) -> None:
    """A client may sign the bytes of a header's value as they are; botocore signs them as text."""
    raw = text.encode()
    made = sign("PUT", f"http://{_HOST}/", [("x-amz-meta", "word")])
    signature = sigv4.parse(made.request)
    request = with_headers(made.request, {b"x-amz-meta": raw})
    folded = sigv4.headers_of(request.received, white)["x-amz-meta"]
    encoding = "utf-8" if white is None else "latin-1"
    canonical = made.canonical.replace("word", folded)
    key = sigv4.signing_key(SECRET, signature.claim.date, REGION, "sagemaker")
    to_sign = sigv4.string_to_sign(signature, canonical, encoding)
    digest = sigv4.hmac.digest(key, to_sign.encode(), "sha256").hex()
    assert is_accepted(_replaced_digest(request, signature.digest, digest))
    assert not is_accepted(request)
    if white is not None:
        assert folded.encode("latin-1") == " ".join(raw.decode().split(" ")).encode().replace(
            b"  ", b" "
        ).strip(b" ")


def _replaced_digest(request: sigv4.Request, old: str, new: str) -> sigv4.Request:
    header = request.headers["authorization"].replace(old, new)
    return with_headers(request, {b"authorization": header.encode("latin-1")})


#: From the "Signature Version 4 test suite" and the worked example of the AWS General Reference:
#: method, path, query, headers, body, signed headers, SHA-256 of the canonical request, signature.
_DATE = ("X-Amz-Date", "20150830T123600Z")
_EXAMPLE = ("Host", "example.amazonaws.com")
VECTORS: dict[str, tuple[str, str, str, list[tuple[str, str]], bytes, str, str]] = {
    "get-vanilla": (
        *("GET", "/", "", [], b"", "service"),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-vanilla-query-order-key-case": (
        *("GET", "/", "Param2=value2&Param1=value1", [], b"", "service"),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-empty-query-key": (
        *("GET", "/", "Param1=value1", [], b"", "service"),
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    "get-slashes": (
        *("GET", "//example//", "", [], b"", "service"),
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
    "get-relative-relative": (
        *("GET", "/example1/example2/../..", "", [], b"", "service"),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-utf8": (
        *("GET", "/ሴ".encode().decode("latin-1"), "", [], b"", "service"),
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    "get-header-value-trim": (
        "GET",
        "/",
        "",
        [("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')],
        b"",
        "service",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "get-header-key-duplicate": (
        "GET",
        "/",
        "",
        [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
        b"",
        "service",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    "post-vanilla": (
        *("POST", "/", "", [], b"", "service"),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-x-www-form-urlencoded": (
        *("POST", "/", "", [("Content-Type", "application/x-www-form-urlencoded")]),
        *(b"Param1=value1", "service"),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


def _vector(
    method: str, path: str, query: str, more: list[tuple[str, str]], body: bytes, service: str
) -> sigv4.Request:
    """Make a vector's request with an empty signature."""
    headers = [*more, _EXAMPLE, _DATE]
    names = ";".join(sorted({name.lower() for name, _ in headers}))
    authorization = (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request,"
        f" SignedHeaders={names}, Signature={'0' * 64}"
    )
    pairs = [*headers, ("Authorization", authorization)]
    received = [(name.lower().encode(), value.encode()) for name, value in pairs]
    return sigv4.Request(method, path, query, sigv4.headers_of(received), body, received)


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    """The signatures of AWS's own test suite come out."""
    *parts, expected = VECTORS[name]
    request = _vector(*parts)  # type: ignore[arg-type]
    signature = sigv4.parse(request)
    payload = sigv4.payload_of(request, signature)
    first = sigv4.readings(request)[0]
    assert sigv4.digest_of(first, signature, payload, SECRET) == expected
    assert is_accepted(_replaced_digest(request, "0" * 64, expected))


def test_the_worked_example() -> None:
    """The example that AWS works through comes out, each of its four stages."""
    content_type = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
    request = _vector("GET", "/", "Action=ListUsers&Version=2010-05-08", [content_type], b"", "iam")
    request = with_headers(request, {b"host": b"iam.amazonaws.com"})
    signature = sigv4.parse(request)
    payload = sigv4.payload_of(request, signature)
    canonical = sigv4.canonical_request(sigv4.readings(request)[0], signature, payload)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert canonical.split("\n") == [
        *("GET", "/", "Action=ListUsers&Version=2010-05-08"),
        "content-type:application/x-www-form-urlencoded; charset=utf-8",
        *("host:iam.amazonaws.com", "x-amz-date:20150830T123600Z", ""),
        *("content-type;host;x-amz-date", empty),
    ]
    assert sigv4.string_to_sign(signature, canonical).split("\n") == [
        *("AWS4-HMAC-SHA256", "20150830T123600Z", "20150830/us-east-1/iam/aws4_request"),
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59",
    ]
    assert sigv4.signing_key(SECRET, "20150830", "us-east-1", "iam").hex() == (
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    )
    assert sigv4.digest_of(request, signature, payload, SECRET) == (
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )
