"""What the native API's handlers work with, and how an endpoint is described.

The table of endpoints is the API: routes, roles and the OpenAPI document are made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from stepwell.model.access import Identity
from stepwell.model.experiments import Author
from stepwell.model.names import Component, fold
from stepwell.query.digests import Digests
from stepwell.query.frames import Charts
from stepwell.server.control.service import Control
from stepwell.server.studio.series_tables import SeriesTables
from stepwell.store.protocol import Reader

JSON_TYPE = "application/json"
#: Digests of the pieces of long series: about 3 MiB for 10M points.
_DIGEST_BYTES_MAX = 48 * 1024 * 1024


class Studio:
    """The parts of one worker that handlers use. They run on threads."""

    def __init__(self, store: Reader, control: Control, decoders: Executor) -> None:
        """Hold the parts; it owns none of them.

        Args:
            store: where the points are.
            control: the catalog and the components.
            decoders: threads that decode long series; nothing else runs there.
        """
        self.store = store
        self.control = control
        self.spread = decoders.map
        self.charts = Charts(Digests(_DIGEST_BYTES_MAX), self.spread)
        self.tables = SeriesTables(store)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose sender may ask for it."""

    identity: Identity
    path: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def author(self) -> Author:
        """Say who asks."""
        return Author(self.identity.account, self.identity.key_id, self.identity.region)

    def component(self, name: str) -> Component:
        """Give the trial component that a run's name means to whoever asks."""
        return Component(self.identity.account, fold(name))


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out: whole, in parts that are there, or in pieces that are made one by one."""

    parts: Sequence[bytes | memoryview] | Iterator[bytes]
    media_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


def answer(document: Any) -> Answer:
    """Answer with a document, which has texts where JSON has no numbers."""
    return Answer([msgspec.json.encode(document)])


Method = Literal["GET", "POST", "PATCH", "DELETE"]
Handler = Callable[[Studio, Asked], Answer]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path.

    Attributes:
        method: HTTP's.
        path: under /api/v1/, as Starlette writes it.
        operation: what it is called where roles are looked up, and in the OpenAPI document.
        summary: what it is for, in one sentence.
        handler: answers it, on a thread.
        request: the type of its body, or of its query string where it is a GET; None: it has none.
        response: the type of its answer; None: it is not JSON, see `media_type`.
        media_type: the answer's.
    """

    method: Method
    path: str
    operation: str
    summary: str
    handler: Handler
    request: type[msgspec.Struct] | None = None
    response: Any = None
    media_type: str = JSON_TYPE

    @property
    def changes(self) -> bool:
        """Say whether it changes anything: then no foreign page may send it."""
        return self.method in {"PATCH", "DELETE"} or not self.operation.startswith(
            ("Get", "List", "Query")
        )
