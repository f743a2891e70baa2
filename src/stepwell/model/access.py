"""Who may do what: access keys' roles, and the identity that a request has."""

from __future__ import annotations

import functools
from enum import StrEnum
from typing import NamedTuple

from stepwell.model.names import DEFAULT_ACCOUNT, DEFAULT_REGION


class Role(StrEnum):
    """What an access key is for; each may do what those before it may.

    `read` gets, describes, lists and searches. `write` puts, creates, changes and deletes data:
    what a training job does, and what `Experiment._delete_all` does after it. `admin` is kept for
    what manages other people's access.
    """

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Say whether this role may do what another one may."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class Identity(NamedTuple):
    """Whose a request is: an account, the access key it was signed with, its role, a region."""

    account: str
    key_id: str
    role: Role
    region: str


#: Who everyone is where authentication is off.
ANYONE = Identity(DEFAULT_ACCOUNT, "", Role.ADMIN, DEFAULT_REGION)

_READING = ("BatchGet", "Describe", "Get", "List", "Query", "Search")


@functools.lru_cache(maxsize=256)
def role_for(operation: str) -> Role:
    """Say which role an operation needs: names that do not begin like a question write.

    One rule instead of a list, so that an operation that is added later is never open by mistake.
    """
    return Role.READ if operation.startswith(_READING) else Role.WRITE
