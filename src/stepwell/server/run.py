"""Running a server: the folder's lock, the socket, one process or several, and stopping."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import resource
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from stepwell.model.errors import FolderInUseError, StepwellError, StoreUnavailableError
from stepwell.server.access import decided, note_of
from stepwell.server.compaction import CompactionProcess
from stepwell.server.connections import uvicorn_options
from stepwell.server.interrupts import interrupts_held
from stepwell.server.logs import configure_logging
from stepwell.server.settings import Settings
from stepwell.store.sqlite.folder import SERVER_LOCK, Folder, hot_lock

_BACKLOG = 4096
#: Workers whose parent was killed stop by themselves, and take no longer than this.
_ORPHANS_S = 10
#: The exit status of what Ctrl-C has ended before it had begun: 128 and the signal's number.
_INTERRUPTED = 128 + signal.SIGINT
_NOT_STARTED = "the server could not start; the reason stands above"
#: Beside the workers' metrics: why one of them could not start.
_FAILURE_FILE = "failure"
# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def run(settings: Settings, announce: Callable[[Settings, str], None]) -> None:
    """Serve until a signal says stop.

    Args:
        settings: what to serve, and where.
        announce: told the settings as they hold and the address, once it is listened on.

    Raises:
        FormatError: the data folder is not ours, or of a newer version.
        FolderInUseError: another server has the folder.
        UnsafeError: others could use it without a key.
        CertificateError: the TLS certificate or its key cannot be used.
        KeyEncryptionError: the access keys' secrets cannot be read.
        StoreUnavailableError: the folder cannot be written, or the address cannot be taken.
    """
    # Until uvicorn listens for signals, nothing is open that a process could not just drop. An
    # exception would not do: raised in a destructor it is lost, and the server would go on.
    previous = signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    try:
        _run(settings, announce)
    finally:
        signal.signal(signal.SIGINT, previous)


def _run(settings: Settings, announce: Callable[[Settings, str], None]) -> None:
    configure_logging(settings.log_level)
    _raise_file_limit()
    _keep_freed_memory()
    folder = Folder(settings.data)
    with folder.lock(SERVER_LOCK) as lock:
        if not lock.acquire():
            msg = f"data folder {settings.data}: another Stepwell server is using it"
            raise FolderInUseError(msg)
        _wait_for_orphans(folder)
        settings = decided(settings)
        lock.note(note_of(settings.auth))
        with contextlib.closing(_listen(settings.host, settings.port)) as listener:
            scheme = "http" if settings.tls_cert is None else "https"
            announce(settings, _address(settings.host, listener.getsockname()[1], scheme))
            with CompactionProcess(settings):
                if settings.workers == 1:
                    _run_here(settings, listener)
                else:
                    _run_workers(settings, listener)


def _run_here(settings: Settings, listener: socket.socket) -> None:
    from stepwell.server.app import Application  # noqa: PLC0415 - the parent of workers needs none of it

    failures: list[StepwellError] = []
    config = uvicorn.Config(Application(settings, failures.append), **_options(settings))
    server = uvicorn.Server(config)
    # When the application does not start, uvicorn raises SystemExit.
    with _quiet_end(server), _stopping_on_hangup(), contextlib.suppress(SystemExit):
        server.run(sockets=[listener])
    if failures:
        raise failures[0]
    if not server.started:
        raise StoreUnavailableError(_NOT_STARTED)


def _run_workers(settings: Settings, listener: socket.socket) -> None:
    with tempfile.TemporaryDirectory(prefix="stepwell-metrics-") as metrics:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
        failure = Path(metrics, _FAILURE_FILE)
        settings.hand_over()
        config = uvicorn.Config(
            "stepwell.server.run:worker_app",
            factory=True,
            workers=settings.workers,
            **_options(settings),
        )
        workers = _Workers(config, sockets=[listener])
        workers.run()
        if workers.have_failed:
            msg = failure.read_text() if failure.exists() else _NOT_STARTED
            raise StoreUnavailableError(msg)


def _options(settings: Settings) -> dict[str, Any]:
    options = uvicorn_options()
    if settings.tls_cert is not None:
        options |= {"ssl_certfile": settings.tls_cert, "ssl_keyfile": settings.tls_key}
    return options


class _Workers(Multiprocess):
    """uvicorn's supervisor, but a terminal that is closed stops it, as it stops one process.

    Ctrl-C, which a terminal sends to workers too, is for the supervisor, which says when to stop.
    """

    have_failed = False

    def init_processes(self) -> None:
        """Start the workers."""
        # All that it would say is that one could not start, which we say ourselves.
        logging.getLogger("uvicorn.error").disabled = True
        # Whoever starts this helper of multiprocessing's lets SIGINT through again.
        resource_tracker.ensure_running()
        with interrupts_held():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Start workers anew that have died."""
        with interrupts_held():
            super().keep_subprocess_alive()
        self.have_failed = any(each.exitcode == STARTUP_FAILURE for each in self.processes)

    def handle_hup(self) -> None:
        """Stop; uvicorn would start all workers anew."""
        self.should_exit.set()


def worker_app() -> object:
    """Make a worker's application. Called by uvicorn in each worker process."""
    from stepwell.server.app import create_worker_app  # noqa: PLC0415 - see _run_here

    threading.Thread(target=_stop_with_parent, name="parent", daemon=True).start()
    _raise_file_limit()
    _keep_freed_memory()
    return create_worker_app(_hand_failure_over)


def _hand_failure_over(error: StepwellError) -> None:
    """Leave for the parent why this worker cannot start, and end it."""
    path = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], _FAILURE_FILE)
    # Whole, or not there: another worker may do the same.
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(str(error))
    unfinished.replace(path)
    # At once: uvicorn's parent asks workers whether they live, and waits for 30 s for the answer of
    # one that is about to end. Nothing is open any more that would have to be closed.
    os._exit(STARTUP_FAILURE)


def _stop_with_parent() -> None:
    """Stop this worker when its parent is gone: nobody would restart or stop it any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_orphans(folder: Folder) -> None:
    """Wait until workers of a killed server are gone: what they still commit, we would not know.

    Raises:
        FolderInUseError: they do not go.
    """
    for slot in folder.hot_slots():
        deadline = time.monotonic() + _ORPHANS_S
        with folder.lock(hot_lock(slot)) as lock:
            while not lock.acquire():
                if time.monotonic() > deadline:
                    msg = f"data folder {folder.path}: a worker of an earlier server is using it"
                    raise FolderInUseError(msg)
                time.sleep(0.1)


@contextlib.contextmanager
def _stopping_on_hangup() -> Iterator[None]:
    """Let a terminal that is closed stop the server as SIGTERM does, unless it runs under nohup."""
    previous = signal.getsignal(signal.SIGHUP)
    if previous is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)


@contextlib.contextmanager
def _quiet_end(server: uvicorn.Server) -> Iterator[None]:
    """Let the signal that uvicorn raises again after its shutdown pass by: ending is our way.

    One that comes before uvicorn listens for signals ends the process where it stands.
    """

    def on_signal(number: int, _frame: object) -> None:
        if not server.should_exit:
            os._exit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


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


def _address(host: str, port: int, scheme: str = "http") -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _keep_freed_memory() -> None:
    """Let glibc keep some freed memory for the next read instead of handing it back each time.

    By default every array of over 128 KiB is mapped from the system and faulted in page by page,
    which took half of the time of reading a long series. Elsewhere than on glibc: nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 4 * 1024 * 1024)
        mallopt(_M_TRIM_THRESHOLD, 24 * 1024 * 1024)


def _raise_file_limit() -> None:
    """Allow as many open connections as the system lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
