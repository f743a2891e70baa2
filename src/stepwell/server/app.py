"""The one composition root: settings into a running application.

uvicorn -> application -> Puts          (puts that arrive at once, without a task)
                       -> DataPlane     (the two metric operations, bare ASGI)
                       -> ControlPlane  (the Experiments API, bare ASGI)
                       -> Starlette     (everything else: the Studio and its native API)
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starlette.applications import Starlette

from stepwell.catalog.database import Database
from stepwell.ingest.admission import Ingest
from stepwell.model.errors import StepwellError
from stepwell.model.limits import Limits
from stepwell.server.access import authenticator, catalog_url
from stepwell.server.api import ANSWERED, Fallback, routes
from stepwell.server.asgi import Receive, Reply, Scope, Send
from stepwell.server.auth import Authenticator
from stepwell.server.committer import CommitterProcess
from stepwell.server.control.plane import ControlPlane
from stepwell.server.control.service import Control
from stepwell.server.data_plane import DataPlane
from stepwell.server.edge import Edge
from stepwell.server.interrupts import stop_noted
from stepwell.server.logs import configure_logging
from stepwell.server.puts import Puts
from stepwell.server.settings import Settings
from stepwell.server.studio.cookies import cookies_of
from stepwell.server.studio.live import Live
from stepwell.server.studio.routes import enter, studio_routes
from stepwell.server.studio.session import Gate
from stepwell.server.telemetry import Telemetry
from stepwell.store.sqlite.reader import EmbeddedReader

#: Threads for reads. They wait for files and run numpy and pcodec, both without the GIL.
_READ_THREADS = 4
#: Threads that decode the pieces of long series for the Studio's charts, whoever waits for them.
_DECODE_THREADS = os.cpu_count() or 1
#: Threads for the control plane. SQLite lets one of them write at a time.
_CONTROL_THREADS = 4


@dataclass
class Parts:
    """The parts of a running server, for the routes."""

    store: EmbeddedReader
    telemetry: Telemetry
    ingest: Ingest
    puts: Puts
    data_plane: DataPlane
    control_plane: ControlPlane
    executor: ThreadPoolExecutor
    control_executor: ThreadPoolExecutor
    database: Database
    authenticator: Authenticator
    control: Control
    decoders: ThreadPoolExecutor
    limits: Limits
    live: Live
    gate: Gate


class Application:
    """The ASGI application of one worker process."""

    def __init__(self, settings: Settings, on_failure: Callable[[StepwellError], object]) -> None:
        """Hold the settings; files are opened when the server starts.

        Args:
            settings: what to serve.
            on_failure: told why the server cannot start, before it ends.
        """
        self._settings = settings
        self._on_failure = on_failure
        self._data_plane: DataPlane | None = None
        self._control_plane: ControlPlane | None = None
        self._puts: Puts | None = None
        self._telemetry = Telemetry()
        fallback = Fallback(self._telemetry)
        self._starlette = Starlette(
            lifespan=self._lifespan,
            exception_handlers={
                StepwellError: fallback.on_error,
                404: fallback.on_unknown,
                405: fallback.on_unknown,
                500: fallback.on_error,
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        One that the server cancels when it stops (a client that does not read) just ends.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        data_plane = self._data_plane
        if scope["type"] == "http" and data_plane is not None and data_plane.handles(scope):
            await data_plane(scope, receive, send)
            return
        is_native = scope["type"] == "http" and enter(scope)
        control_plane = self._control_plane
        if (
            scope["type"] == "http"
            and not is_native
            and control_plane is not None
            and control_plane.handles(scope)
        ):
            await control_plane(scope, receive, send)
            return
        try:
            await self._starlette(scope, receive, send)
        except Exception:
            # Starlette raises again what it has answered.
            if not scope.get(ANSWERED):
                raise

    def takes(self, scope: Scope) -> bool:
        """Say whether a request can be taken without a task. See `connections.Application`."""
        return self._puts is not None and self._puts.handles(scope)

    def take(self, scope: Scope, body: bytes, reply: Reply) -> None:
        """Take a request that `takes` has said yes to."""
        if self._puts is not None:
            self._puts.take(scope, body, reply)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        ingest = Ingest(self._settings.limits(), loop.call_soon, self._telemetry)
        committer = CommitterProcess(self._settings, ingest)
        with stop_noted(lambda: loop.call_soon_threadsafe(committer.expect_stop)):
            # It starts now, while this process opens its own files.
            await asyncio.sleep(0)
            try:
                parts = self._open(ingest)
                await committer.wait_until_open()
            except BaseException as error:
                await committer.stop()
                self._say_failure(error)
                raise
            try:
                self._serve(app, parts)
                yield
            finally:
                parts.live.close()
                await committer.stop()
                parts.executor.shutdown()
                parts.control_executor.shutdown()
                parts.decoders.shutdown()
                parts.store.close()
                parts.database.close()

    def _say_failure(self, error: BaseException) -> None:
        if isinstance(error, StepwellError):
            # What uvicorn would say, at length.
            logging.getLogger("uvicorn.error").disabled = True
            self._on_failure(error)

    def _serve(self, app: Starlette, parts: Parts) -> None:
        self._data_plane, self._puts = parts.data_plane, parts.puts
        self._control_plane = parts.control_plane
        app.router.routes.extend([*routes(parts), *studio_routes(parts)])
        # What is there now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()

    def _open(self, ingest: Ingest) -> Parts:
        settings, limits = self._settings, self._settings.limits()
        telemetry = self._telemetry
        store = EmbeddedReader(settings.data)
        database = Database(catalog_url(settings))
        authentication = authenticator(settings, database)
        executor = ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="read")
        control_executor = ThreadPoolExecutor(_CONTROL_THREADS, thread_name_prefix="control")
        telemetry.watch(store.size, ingest)
        edge = Edge(limits, authentication, telemetry)
        puts = Puts(ingest, edge)
        data_plane = DataPlane(store, puts, executor, edge)
        control = Control(database, store, limits)
        control_plane = ControlPlane(control, control_executor, edge)
        return Parts(
            store,
            telemetry,
            ingest,
            puts,
            data_plane,
            control_plane,
            executor,
            control_executor,
            database,
            authentication,
            control,
            ThreadPoolExecutor(_DECODE_THREADS, thread_name_prefix="decode"),
            limits,
            Live(store, database),
            Gate(authentication, cookies_of(database)),
        )


def create_worker_app(on_failure: Callable[[StepwellError], object]) -> Application:
    """Make a worker's application out of what its parent handed over. See `Application`."""
    settings = Settings.received()
    configure_logging(settings.log_level)
    return Application(settings, on_failure)
