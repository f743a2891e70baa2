"""Clients that put without a pause, through whatever happens to the server."""

from __future__ import annotations

import random
import threading
from collections import deque
from types import TracebackType
from typing import Self

from .client import Broken, Client, put_body
from .ledger import CLIENTS, Ledger, SentPut
from .server import wait_until

_RETRY_PAUSE_S = 0.01


class Load:
    """Eight clients on threads; each retries half of the puts that nobody answered.

    Use as a context: at its end the clients have sent what they want to retry, or gave up.
    """

    def __init__(self, ledger: Ledger, address: str, seed: object = 0) -> None:
        """Prepare; entering the context starts the clients."""
        self._ledger = ledger
        self._address = address
        self._seed = seed
        self._is_up = threading.Event()
        self._is_up.set()
        self._is_finishing = threading.Event()
        self._gave_up = threading.Event()
        #: Answers other than 200 without an error.
        self.surprises: list[str] = []
        #: Attempts on which no answer came.
        self.broken = 0
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(CLIENTS)
        ]

    def pause(self) -> None:
        """Let the clients begin no new put: the server is about to go."""
        self._is_up.clear()

    def go_on(self) -> None:
        """Let them go on: the server is back under its address."""
        self._is_up.set()

    def wait_for(self, puts: int) -> None:
        """Wait until so many more puts are answered."""
        wanted = self._ledger.answered_count() + puts
        wait_until(lambda: self._ledger.answered_count() >= wanted, f"{puts} puts are answered")

    def give_up(self) -> None:
        """End without retries: the server will not come back."""
        self._gave_up.set()
        self._is_up.set()
        self._join()

    def finish(self) -> None:
        """End, once everything that is to be retried was answered."""
        self._is_finishing.set()
        self._is_up.set()
        self._join()

    def __enter__(self) -> Self:
        """Start."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish, or give up if the test has failed."""
        if kind is None:
            self.finish()
        else:
            self.give_up()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def _run(self, number: int) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        again: deque[SentPut] = deque()
        client = Client(self._address)
        while not (self._gave_up.is_set() or (self._is_finishing.is_set() and not again)):
            self._is_up.wait()
            put = again.popleft() if again else self._ledger.new(number, chance)
            if not self._send(client, put):
                if put.attempts > 1 or chance.random() < 0.5:
                    again.append(put)
                self._gave_up.wait(_RETRY_PAUSE_S)
        client.close()

    def _send(self, client: Client, put: SentPut) -> bool:
        """Send a put; say whether it was answered."""
        put.attempts += 1
        try:
            answer = client.put_body(put_body(put.component, put.items()), put.put_id)
        except Broken:
            self.broken += 1
            return False
        if answer.status == 503 and b"process that commits puts has ended" in answer.body.lower():
            # It was killed with the put in flight, or before it came.
            self.broken += 1
            return False
        if answer.status != 200 or answer.json() != {"Errors": []}:
            self.surprises.append(f"{answer.status} {answer.body[:200]!r}")
            return False
        put.is_answered = True
        return True
