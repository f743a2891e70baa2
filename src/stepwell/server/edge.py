"""What every plane needs to take a request and to answer it."""

from __future__ import annotations

from dataclasses import dataclass, field

from stepwell.model.limits import Limits
from stepwell.server.asgi import RequestIds
from stepwell.server.auth import Authenticator
from stepwell.server.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Edge:
    """One worker's limits, who is who, what is counted, and ids for requests."""

    limits: Limits
    authenticator: Authenticator
    telemetry: Telemetry
    request_ids: RequestIds = field(default_factory=RequestIds)
