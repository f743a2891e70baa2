"""Running a server: the folder's lock, the socket, one process or several, and stopping."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator

import uvicorn
from uvicorn.supervisors import Multiprocess

from stepwell.model.errors import FolderInUseError, StoreUnavailableError
from stepwell.server.compaction import CompactionProcess
from stepwell.server.connections import uvicorn_options
from stepwell.server.settings import Settings
from stepwell.server.telemetry import configure_logging
from stepwell.store.sqlite.folder import SERVER_LOCK, Folder

_BACKLOG = 4096
# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def run(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal says stop.

    Args:
        settings: what to serve, and where.
        announce: told the address, once it is listened on.

    Raises:
        FormatError: the data folder is not ours, or of a newer version.
        FolderInUseError: another server has the folder.
        StoreUnavailableError: the folder cannot be written, or the address cannot be taken.
    """
    configure_logging(settings.log_level)
    _raise_file_limit()
    _keep_freed_memory()
    folder = Folder(settings.data)
    with folder.lock(SERVER_LOCK) as lock:
        if not lock.acquire():
            msg = f"data folder {settings.data}: another Stepwell server is using it"
            raise FolderInUseError(msg)
        with contextlib.closing(_listen(settings.host, settings.port)) as listener:
            announce(_address(settings.host, listener.getsockname()[1]))
            with CompactionProcess(settings):
                if settings.workers == 1:
                    _run_here(settings, listener)
                else:
                    _run_workers(settings, listener)


def _run_here(settings: Settings, listener: socket.socket) -> None:
    from stepwell.server.app import Application  # noqa: PLC0415 - the parent of workers needs none of it

    config = uvicorn.Config(Application(settings), **uvicorn_options())
    server = uvicorn.Server(config)
    # uvicorn raises the signal again when it is done; ending quietly is our way.
    with contextlib.suppress(KeyboardInterrupt), _quiet_end():
        server.run(sockets=[listener])
    if not server.started:
        msg = "the server could not start; the reason stands above"
        raise StoreUnavailableError(msg)


def _run_workers(settings: Settings, listener: socket.socket) -> None:
    with tempfile.TemporaryDirectory(prefix="stepwell-metrics-") as metrics:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
        settings.hand_over()
        config = uvicorn.Config(
            "stepwell.server.run:worker_app",
            factory=True,
            workers=settings.workers,
            **uvicorn_options(),
        )
        Multiprocess(config, sockets=[listener]).run()


def worker_app() -> object:
    """Make a worker's application. Called by uvicorn in each worker process."""
    from stepwell.server.app import create_worker_app  # noqa: PLC0415 - see _run_here

    threading.Thread(target=_stop_with_parent, name="parent", daemon=True).start()
    _raise_file_limit()
    _keep_freed_memory()
    return create_worker_app()


def _stop_with_parent() -> None:
    """Stop this worker when its parent is gone: nobody would restart or stop it any more."""
    parent = os.getppid()
    stop = threading.Event()
    while not stop.wait(1.0):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return


@contextlib.contextmanager
def _quiet_end() -> Iterator[None]:
    """Let the SIGTERM that uvicorn raises after its shutdown pass by."""
    previous = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        msg = f"cannot listen on {_address(host, port)}: {error.strerror or error}"
        raise StoreUnavailableError(msg) from error
    # Workers are new processes, and get the socket by inheritance.
    listener.set_inheritable(True)
    return listener


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _keep_freed_memory() -> None:
    """Let glibc keep some freed memory for the next read instead of handing it back each time.

    By default every array of over 128 KiB is mapped from the system and faulted in page by page,
    which took half of the time of reading a long series. Elsewhere than on glibc: nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 4 * 1024 * 1024)
        mallopt(_M_TRIM_THRESHOLD, 64 * 1024 * 1024)


def _raise_file_limit() -> None:
    """Allow as many open connections as the system lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
