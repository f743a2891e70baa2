"""Owns the training curves that the benchmarks send: their numbers, and their bytes on the wire.

Every number follows from a seed, so the process that sends and the process that checks build
the same ones without talking to each other. The curves are what pcodec finds hard: float32
losses with noise in most of their mantissa, at millisecond times with jitter that adds up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SEED = 7837
START_MS = 1_790_000_000_000
"""The time of step 0: a whole millisecond of September 2026."""

STEP_MS_MEAN = 250.0
STEP_MS_DEVIATION = 60.0
INVOCATION_ID_BYTES = 36
ENDLESS = 0
"""As the number of rounds of a stream: until the run's time is over."""

_POINT = '{"MetricName": "%s", "Timestamp": %r, "Value": %r, "Step": %d}'
"""One point with the spaces that botocore's serializer leaves."""

_HEAD_BEFORE_ID = b"PUT /BatchPutMetrics HTTP/1.1\r\nHost: 127.0.0.1\r\namz-sdk-invocation-id: "
INVOCATION_ID_OFFSET = len(_HEAD_BEFORE_ID)
"""Where the invocation id starts in every request, whatever its body."""

_CONTENT_TYPE = "application/json"
_HEAD_AFTER_ID = (
    b"\r\namz-sdk-request: attempt=1; max=3\r\nAccept-Encoding: identity\r\n"
    b"Content-Type: " + _CONTENT_TYPE.encode() + b"\r\n"
    b"User-Agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.12 md/arch#x86_64 "
    b"lang/python#3.11.2 md/pyimpl#CPython cfg/retry-mode#standard Botocore/1.44.5\r\n"
    b"%sContent-Length: %d\r\n\r\n"
)
"""The headers an AWS SDK sends besides: parsing them is a part of every real put."""


class AccessKey(msgspec.Struct, frozen=True, rename="pascal"):
    """What requests are signed with, as `stepwell keys create --json` prints it."""

    access_key_id: str
    secret_access_key: str


class Stream(msgspec.Struct, frozen=True):
    """A set of series and how they are cut into puts.

    One put holds `steps_per_put` consecutive steps of every metric of one component. Puts
    arrive interleaved: a block of steps of every component, then the next block.
    """

    component_prefix: str
    components: int
    metrics: int
    steps: int
    steps_per_put: int
    connections: int
    rounds: int = ENDLESS
    """How many times each put is sent, every time under a new id."""

    @property
    def points_per_put(self) -> int:
        """Points of one put."""
        return self.metrics * self.steps_per_put

    @property
    def points(self) -> int:
        """Points of one round of the stream."""
        return self.components * self.metrics * self.steps

    @property
    def series(self) -> int:
        """Number of series."""
        return self.components * self.metrics


def component_name(stream: Stream, component: int) -> str:
    """Return the name of the stream's component with this index."""
    return f"{stream.component_prefix}-{component:04d}"


def metric_name(metric: int) -> str:
    """Return the name of the metric with this index."""
    return f"train:loss-{metric:02d}"


def losses(component: int, metric: int, steps: int) -> NDArray[np.float64]:
    """Return float64[steps], each value a float32: a decaying curve with multiplicative noise."""
    rng = np.random.default_rng([SEED, component, metric])
    decay_steps = rng.uniform(0.1, 0.6) * max(steps, 1000)
    curve = rng.uniform(1.0, 4.0) * np.exp(-np.arange(steps) / decay_steps) + rng.uniform(0.2, 0.8)
    noisy = curve * (1.0 + rng.normal(0.0, 0.08, steps))
    return noisy.astype(np.float32).astype(np.float64)


def times_ms(component: int, steps: int) -> NDArray[np.int64]:
    """Return int64[steps], ascending: when each step of the component ended."""
    rng = np.random.default_rng([SEED, component, 1_000_003])
    intervals = np.maximum(rng.normal(STEP_MS_MEAN, STEP_MS_DEVIATION, steps), 1.0)
    return START_MS + np.cumsum(np.rint(intervals)).astype(np.int64)


def put_body(
    component: str, names: list[str], columns: list[list[float]], times_s: list[float], step: int
) -> bytes:
    """Return the body of one put: every metric at each of consecutive steps, from `step` on.

    `columns` has one list of values per name, each as long as `times_s`.
    """
    points = [
        _POINT % (name, time_s, column[index], step + index)
        for index, time_s in enumerate(times_s)
        for name, column in zip(names, columns, strict=True)
    ]
    return b'{"TrialComponentName": "%s", "MetricData": [%s]}' % (
        component.encode(),
        ", ".join(points).encode(),
    )


def bodies(stream: Stream) -> Iterator[bytes]:
    """Yield the body of each put of the stream, in the order of arrival."""
    names = [metric_name(metric) for metric in range(stream.metrics)]
    curves = {}
    for component in range(stream.components):
        times_s = (times_ms(component, stream.steps) / 1000.0).tolist()
        columns = [
            losses(component, metric, stream.steps).tolist() for metric in range(stream.metrics)
        ]
        curves[component] = (component_name(stream, component), times_s, columns)
    for start in range(0, stream.steps, stream.steps_per_put):
        stop = min(start + stream.steps_per_put, stream.steps)
        for name, times_s, columns in curves.values():
            yield put_body(
                name, names, [column[start:stop] for column in columns], times_s[start:stop], start
            )


def request(body: bytes, key: AccessKey | None = None) -> bytearray:
    """Return a whole HTTP request for a put, with room for the invocation id at its offset.

    With a key it is signed, as botocore signs: now, and not over the invocation id.
    """
    signature = _signature(body, key) if key is not None else b""
    head = _HEAD_AFTER_ID % (signature, len(body))
    return bytearray(_HEAD_BEFORE_ID + b"0" * INVOCATION_ID_BYTES + head + body)


def _signature(body: bytes, key: AccessKey) -> bytes:
    """Return the header lines that sign a put."""
    request = AWSRequest(
        "PUT",
        "http://127.0.0.1/BatchPutMetrics",
        headers={"Content-Type": _CONTENT_TYPE},
        data=body,
    )
    credentials = Credentials(key.access_key_id, key.secret_access_key)
    SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(request)
    names = ("X-Amz-Date", "Authorization")
    return "".join(f"{name}: {request.headers[name]}\r\n" for name in names).encode()


def invocation_ids(count: int) -> bytes:
    """Return `count` random version 4 uuids as text, 36 bytes each, without separators.

    They are random all through, because ids that count upwards would make the index in which
    a server looks for repeated ones cheaper than it is.
    """
    rng = np.random.default_rng()
    raw = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.full((count, INVOCATION_ID_BYTES), ord("-"), np.uint8)
    columns = [column for column in range(INVOCATION_ID_BYTES) if column not in {8, 13, 18, 23}]
    text[:, columns[0::2]] = digits[raw >> 4]
    text[:, columns[1::2]] = digits[raw & 15]
    return text.tobytes()
