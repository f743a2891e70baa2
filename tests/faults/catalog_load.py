"""Clients that create through the API and put, and what of it must be there afterwards."""

from __future__ import annotations

import itertools
import json
import threading
from types import TracebackType
from typing import Any, NamedTuple, Self

from .client import Answer, Client, Item
from .server import wait_until

_CLIENTS = 3


class Made(NamedTuple):
    """A trial component whose every request was answered."""

    name: str
    number: int


def call(client: Client, operation: str, **members: Any) -> Answer:
    """Send an operation of the control plane."""
    headers = {
        "X-Amz-Target": f"SageMaker.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
    }
    return client.request("POST", "/", json.dumps(members).encode(), headers)


def answer_of(client: Client, operation: str, **members: Any) -> dict[str, Any]:
    """Send an operation and read its answer, which must be a success."""
    answer = call(client, operation, **members)
    assert answer.status == 200, answer
    document: dict[str, Any] = answer.json()
    return document


def names_of(client: Client) -> set[str]:
    """List all trial components."""
    found: set[str] = set()
    token: dict[str, str] = {}
    while True:
        page = answer_of(client, "ListTrialComponents", MaxResults=100, **token)
        found |= {each["TrialComponentName"] for each in page["TrialComponentSummaries"]}
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}


class CatalogLoad:
    """Clients on threads: each creates a component, puts it into a trial, and puts its points.

    Every third component is made by its first put instead, every fifth is deleted in the end. Use
    as a context.
    """

    def __init__(self, address: str) -> None:
        """Prepare; entering the context starts the clients."""
        self._address = address
        self._numbers = itertools.count()
        self._is_over = threading.Event()
        #: What was made and stays, in the order of the last answers.
        self.made: list[Made] = []
        #: What was deleted.
        self.deleted: list[str] = []
        self.surprises: list[Answer] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(_CLIENTS)]

    def wait_for(self, components: int) -> None:
        """Wait until so many more are made."""
        wanted = len(self.made) + components
        wait_until(lambda: len(self.made) >= wanted, f"{components} components are made", 60)

    def __enter__(self) -> Self:
        """Start."""
        with Client(self._address) as client:
            answer_of(client, "CreateExperiment", ExperimentName="load")
            answer_of(client, "CreateTrial", TrialName="load", ExperimentName="load")
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the clients end what they are at."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self) -> None:
        with Client(self._address) as client:
            while not self._is_over.is_set():
                number = next(self._numbers)
                made = Made(f"load-{number}", number)
                for operation, members in self._requests(made):
                    answer = call(client, operation, **members)
                    if answer.status != 200:
                        self.surprises.append(answer)
                points = [Item("number", step, float(number)) for step in range(5)]
                answer = client.put(made.name, points)
                if answer.status != 200 or answer.json() != {"Errors": []}:
                    self.surprises.append(answer)
                if number % 5:
                    self.made.append(made)
                else:
                    self._delete(client, made)

    @staticmethod
    def _requests(made: Made) -> list[tuple[str, dict[str, Any]]]:
        name = {"TrialComponentName": made.name}
        if made.number % 3 == 0:
            return []
        return [
            (
                "CreateTrialComponent",
                {
                    **name,
                    "Parameters": {"number": {"NumberValue": made.number}},
                    "Tags": [{"Key": "number", "Value": str(made.number)}],
                },
            ),
            ("AssociateTrialComponent", {**name, "TrialName": "load"}),
        ]

    def _delete(self, client: Client, made: Made) -> None:
        name = {"TrialComponentName": made.name}
        if made.number % 3:
            call(client, "DisassociateTrialComponent", **name, TrialName="load")
        answer = call(client, "DeleteTrialComponent", **name)
        if answer.status != 200:
            self.surprises.append(answer)
        self.deleted.append(made.name)
