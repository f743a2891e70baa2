"""Keeps the compacting process alive while a server runs. See `store.sqlite.compacting`."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import Self

from stepwell.server.settings import Settings

logger = logging.getLogger(__name__)

_STOP_S = 10
_RESTART_S = 5


class CompactionProcess:
    """A child process, started again when it dies. Use as a context."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; the process starts with the context."""
        self._command = [
            sys.executable,
            "-m",
            "stepwell.store.sqlite.compacting",
            str(settings.data),
            str(settings.compaction_interval_s),
        ]
        self._is_stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_alive, name="compaction", daemon=True)

    def __enter__(self) -> Self:
        """Start the process."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the process end its round, and wait for that."""
        self._is_stopping.set()
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join()

    def _keep_alive(self) -> None:
        while not self._is_stopping.is_set():
            # Our own interpreter and module; the folder is an argument, not a shell's text.
            with subprocess.Popen(self._command, stdin=subprocess.PIPE) as process:  # noqa: S603
                self._process = process
                if self._is_stopping.is_set() and process.stdin is not None:
                    process.stdin.close()
                status = process.wait()
            if not self._is_stopping.is_set():
                logger.warning("the compacting process ended with status %d", status)
                self._is_stopping.wait(_RESTART_S)
