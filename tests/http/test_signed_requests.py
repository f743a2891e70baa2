"""What is signed gets in: boto3, presigned, replayed, in parts, behind a proxy, at any worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.http.signing import (
    ACCOUNT,
    FORM,
    REGION,
    WHO_AM_I,
    Caller,
    Key,
    Keyed,
    error_code,
    item,
    put_body,
)

if TYPE_CHECKING:
    from tests.http.conftest import Reply, Server

_UNKNOWN = Key("SWAKUNKNOWNUNKNOWN77", "secret")


@pytest.mark.parametrize("shift_s", [-280, -10, 0, 10, 280])
@pytest.mark.parametrize("plane", ["control", "sts"])
def test_clocks_may_differ_a_little(keyed: Keyed, shift_s: int, plane: str) -> None:
    """Five minutes before or after are let pass."""
    how = {"shift_s": shift_s}
    sent = keyed.writer.sts(**how) if plane == "sts" else keyed.writer.control("Search", {}, **how)
    assert sent.to(keyed.server).status == (200 if plane == "sts" else 400)


def test_the_clock_skew_can_be_set(two_workers: Keyed, component: str) -> None:
    """With --clock-skew 3600, an hour before or after is let pass, and no more."""
    for shift_s, status in ((-3500, 200), (3500, 200), (-3700, 403), (3700, 403)):
        sent = two_workers.writer.control("ListExperiments", shift_s=shift_s)
        assert sent.to(two_workers.server).status == status


def test_presigned_requests(keyed: Keyed, component: str) -> None:
    """Every plane takes a signature in the query, in which nothing may be changed."""
    stated = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    put = keyed.writer.signed("PUT", "/BatchPutMetrics", b"", stated, expires_s=60)
    put = put._replace(body=put_body(component))
    assert put.to(keyed.server).json() == {"Errors": []}
    points = f"/api/v1/points?component={component}&metric=loss"
    get = keyed.writer.signed("GET", points, expires_s=60)
    assert get.to(keyed.server).status == 200
    for old, new in (("Expires=60", "Expires=600"), ("metric=loss", "metric=other")):
        assert old in get.target
        changed = get._replace(target=get.target.replace(old, new))
        assert error_code(changed.to(keyed.server)) == "InvalidSignatureException"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_presigned_by_boto3(keyed: Keyed, method: str) -> None:
    """A URL that boto3 presigns for GetCallerIdentity says who signed it, to whoever opens it."""
    url = keyed.writer.boto("sts").generate_presigned_url(
        "get_caller_identity", ExpiresIn=60, HttpMethod=method
    )
    target = url.removeprefix(f"http://127.0.0.1:{keyed.server.port}")
    reply = keyed.server.request(method, target)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/xml"), reply
    assert f"<Account>{ACCOUNT}</Account>".encode() in reply.body
    for old, new, code in (
        ("Expires=60", "Expires=61", "SignatureDoesNotMatch"),
        ("X-Amz-Signature", "X-Amz-Sig", "IncompleteSignature"),
        ("GetCallerIdentity", "AssumeRole", "UnknownOperationException"),
    ):
        assert old in target
        assert error_code(keyed.server.request(method, target.replace(old, new))) == code
    reply = keyed.server.request(method, "/?Action=GetCallerIdentity")
    assert error_code(reply) == "MissingAuthenticationToken"


@pytest.mark.parametrize("path", ["", "/", "/team", "/team/x/", "/a~b/%C3%A9", "/a//b/"])
def test_boto3(keyed: Keyed, component: str, path: str) -> None:
    """boto3 puts, gets, creates and lists, at the root and behind a base path."""
    writer = keyed.writer
    metrics, control = writer.boto("sagemaker-metrics", path), writer.boto("sagemaker", path)
    data = [item(Step=step) for step in range(10)]
    assert metrics.batch_put_metrics(TrialComponentName=component, MetricData=data)["Errors"] == []
    described = control.describe_trial_component(TrialComponentName=component)
    arn = described["TrialComponentArn"]
    assert arn == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:experiment-trial-component/{component}"
    assert described["Metrics"][0]["Count"] == 10
    query = {"ResourceArn": arn, "MetricName": "loss", "MetricStat": "Count", "Period": "OneHour"}
    got = metrics.batch_get_metrics(MetricQueries=[{**query, "XAxisType": "Timestamp"}])
    assert got["MetricQueryResults"][0]["MetricValues"] == [10.0]
    assert writer.key is not None
    identity = writer.boto("sts", path).get_caller_identity()
    assert (identity["Account"], identity["UserId"]) == (ACCOUNT, writer.key.id)
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{writer.key.id}"


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        (
            "sagemaker-metrics",
            lambda client: client.batch_put_metrics(
                TrialComponentName="never", MetricData=[item()]
            ),
            "InvalidSignatureException",
        ),
        ("sagemaker", lambda client: client.list_experiments(), "InvalidSignatureException"),
        ("sts", lambda client: client.get_caller_identity(), "SignatureDoesNotMatch"),
    ],
)
def test_boto3_with_a_wrong_secret(
    keyed: Keyed, service: str, call: Callable[[Any], Any], code: str
) -> None:
    """boto3 raises the code that AWS has for it, and an unknown key's, and a token's."""
    unknown = "InvalidClientTokenId" if service == "sts" else "UnrecognizedClientException"
    for changed, expected in (
        ({"aws_secret_access_key": "wrong"}, code),
        ({"aws_access_key_id": _UNKNOWN.id}, unknown),
        ({"aws_session_token": "token"}, unknown),
    ):
        with pytest.raises(ClientError) as caught:
            call(keyed.writer.boto(service, **changed))
        error = caught.value.response
        assert error["Error"]["Code"] == expected
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert error["ResponseMetadata"]["RequestId"]


def test_a_replayed_put(two_workers: Keyed, component: str) -> None:
    """A put that is sent again, on connections to any worker, is answered alike and stored once."""
    sent = two_workers.writer.put(component, amz_sdk_invocation_id="replayed-1")
    replies = [sent.to(two_workers.server) for _ in range(20)]
    assert {(reply.status, reply.body) for reply in replies} == {(200, b'{"Errors":[]}')}
    assert count_points(two_workers, component) == 1
    # Another key's put of the same id is another put.
    other = Caller(two_workers.server, two_workers.vault.create())
    again = other.put(component, amz_sdk_invocation_id="replayed-1")
    assert again.to(two_workers.server).status == 200
    assert count_points(two_workers, component) == 2


def count_points(keyed: Keyed, component: str) -> int:
    """Count a component's points."""
    reply = keyed.reader.control("DescribeTrialComponent", {"TrialComponentName": component})
    (metric,) = reply.to(keyed.server).json()["Metrics"]
    return int(metric["Count"])


def test_puts_to_every_worker(two_workers: Keyed, component: str) -> None:
    """Signed puts of several threads, at two workers, are all stored, and wrong ones are not."""
    failures: list[Reply] = []

    def put(number: int) -> None:
        for step in range(25):
            sent = two_workers.writer.put(component, item(Step=step), item(Step=number))
            wrong = sent._replace(body=sent.body.replace(b"0.5", b"0.6"))
            for each, status in ((wrong, 403), (sent, 200)):
                reply = each.to(two_workers.server)
                if reply.status != status:
                    failures.append(reply)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert count_points(two_workers, component) == 4 * 25 * 2


def test_bodies_that_come_in_parts(keyed: Keyed, component: str) -> None:
    """A signed body that arrives late or in chunks is verified like one that comes at once."""
    sent = keyed.writer.put(component)
    for body, status in ((sent.body, b"200"), (sent.body.replace(b"0.5", b"0.6"), b"403")):
        raw = sent._replace(body=body, headers={**sent.headers, "connection": "close"}).raw()
        answer = keyed.server.raw(raw[:-10], raw[-10:])
        assert answer.startswith(b"HTTP/1.1 " + status)
        parts = iter([body[:9], body[9:]])
        reply = keyed.server.request(sent.method, sent.target, parts, sent.headers, chunked=True)
        assert reply.status == int(status)


def test_pipelined_requests(keyed: Keyed, component: str, parse_replies: Any) -> None:
    """Of several requests in one packet each is judged by its own signature, in order."""
    good = keyed.writer.put(component)
    bad = good._replace(body=good.body.replace(b"0.5", b"0.6"))
    last = good._replace(headers={**good.headers, "connection": "close"})
    answer = keyed.server.raw(b"".join(each.raw() for each in (good, bad, bad, last)))
    assert [reply.status for reply in parse_replies(answer)] == [200, 403, 403, 200]


def test_behind_a_proxy(keyed: Keyed, component: str) -> None:
    """A proxy that takes the prefix and the host away says so, and the signature holds."""
    front = Caller(keyed.server, keyed.writer.key)
    sent = front.signed("PUT", "/team/x/BatchPutMetrics", put_body(component))
    taken = sent._replace(target="/BatchPutMetrics")
    assert taken.to(keyed.server).status == 403
    told = {**sent.headers, "x-forwarded-prefix": "/team/x"}
    assert taken._replace(headers=told).to(keyed.server).status == 200
    host = sent.headers["host"]
    inner = {**told, "host": "10.0.0.9", "x-forwarded-host": host}
    assert taken._replace(headers=inner).to(keyed.server).status == 200
    wrong = {**inner, "x-forwarded-host": "other.example.com"}
    assert taken._replace(headers=wrong).to(keyed.server).status == 403


def test_odd_headers(keyed: Keyed, component: str) -> None:
    """Signed headers with odd white space, capitals, and characters beyond ASCII hold."""
    headers = {"X-Amz-Meta-Odd": " a \t  b  ", "X-amz-META-e": "naïve é\xa0", "Accept": "a,b , c"}
    sent = keyed.writer.signed("PUT", "/BatchPutMetrics", put_body(component), headers)
    assert sent.to(keyed.server).status == 200
    assert "x-amz-meta-odd" in sent.headers["authorization"]


def test_what_is_open(keyed: Keyed) -> None:
    """Without a signature one learns that the server is there and well, and nothing else."""
    for path in ("/healthz", "/readyz", "/"):
        assert keyed.server.request("GET", path).status == 200
    assert keyed.server.request("GET", "/").json().keys() == {"service", "version"}
    for path in ("/metrics", "/api/v1/points?component=a&metric=b"):
        assert keyed.server.request("GET", path).status == 403
        assert keyed.writer.signed("GET", path).to(keyed.server).status in {200, 404}


def test_where_authentication_is_off(server: Server, component: str) -> None:
    """A server without keys takes any signature for what it is worth, and its region."""
    for key in (None, _UNKNOWN):
        caller = Caller(server, key)
        assert caller.put(component).to(server).status == 200
    for value in ("", "Basic QQ==", "AWS4-HMAC-SHA256 Credential=a/b/\xff/d/e", "/" * 60_000):
        headers = {"authorization": value}
        assert server.request("PUT", "/BatchPutMetrics", put_body(component), headers).status == 200
    name = {"TrialComponentName": component}
    arn = Caller(server, _UNKNOWN).control("DescribeTrialComponent", name).to(server).json()
    assert arn["TrialComponentArn"].startswith(f"arn:aws:sagemaker:{REGION}:000000000000:")
    unsigned = server.request("POST", "/", WHO_AM_I, {"Content-Type": FORM})
    assert b"<Account>000000000000</Account>" in unsigned.body
