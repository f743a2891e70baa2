"""Which ids of puts were committed lately, and with which answers (rule 2).

On disk, each transaction's ids are one row beside its points (`hot.id_group`). In memory, an id is
12 bytes: 64 bits of a hash over (owner, component, id) and the CRC-32 of the request's body. Young
ids are in a dict; full dicts become sorted arrays, small arrays are merged into larger ones, and a
whole group of ids is looked up at once. So five million ids are 60 MB and cost microseconds.

Two puts with one hash would have to meet within 15 minutes among 5 million: one in 4e12 puts. It
would be refused with CONFLICT_ERROR unless the bodies' CRC is equal too (one in 1e22).
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from stepwell.model.points import ItemError, ItemErrorCode, Put
from stepwell.store.sqlite.folder import CLAIMS_LOCK, Folder

ID = np.dtype([("fingerprint", "<u8"), ("crc", "<u4")])
#: A share of all ids is forgotten at a time: between 7/8 of the bound and all of it are kept.
_SHARES = 8
_YOUNG_IDS_MAX = 65_536
_MERGE_COUNT = 6

#: struct flock on 64-bit Linux: type, whence, start, length, pid.
_FLOCK = struct.Struct("hhqqi4x")

_encode_answers = msgspec.msgpack.Encoder().encode
_decode_answers = msgspec.msgpack.Decoder(dict[int, list[tuple[int, int]]]).decode


class Committed(NamedTuple):
    """An id that was committed: its request's CRC and what was answered."""

    crc: int
    errors: Sequence[ItemError]


def fingerprint(put: Put) -> int:
    """Hash whose id it is, and the id, to 64 bits."""
    account, name = put.component
    text = f"{put.owner}\0{account}\0{name}\0{put.put_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def pack_ids(ids: dict[int, Committed]) -> tuple[bytes, bytes]:
    """Encode a transaction's ids for its row: fixed-size records, and the answers with errors."""
    records = np.empty(len(ids), ID)
    records["fingerprint"] = list(ids)
    records["crc"] = [committed.crc for committed in ids.values()]
    answers = {
        key: [(error.index, int(error.code)) for error in committed.errors]
        for key, committed in ids.items()
        if committed.errors
    }
    return records.tobytes(), _encode_answers(answers) if answers else b""


class _Generation(NamedTuple):
    """Ids in order of their fingerprints, committed between two instants."""

    fingerprints: npt.NDArray[np.uint64]
    crcs: npt.NDArray[np.uint32]
    oldest_ns: int
    newest_ns: int


class IdIndex:
    """The ids of the last `keep_s` seconds, at most `ids_max`. For one thread."""

    def __init__(self, keep_s: int, ids_max: int) -> None:
        """Know no id yet."""
        self._keep_ns = keep_s * 1_000_000_000
        self._ids_max = ids_max
        self._share = max(1, ids_max // _SHARES)
        self._young: dict[int, int] = {}
        self._young_oldest_ns = self._young_newest_ns = 0
        self._generations: list[_Generation] = []
        self._answers: dict[int, Sequence[ItemError]] = {}

    def __len__(self) -> int:
        """Count the ids."""
        return len(self._young) + sum(len(each.crcs) for each in self._generations)

    def find(self, keys: Sequence[int], now_ns: int) -> dict[int, Committed]:
        """Give those of the ids that were committed."""
        self._expire(now_ns)
        found = {key: self._committed(key, self._young[key]) for key in keys if key in self._young}
        if self._generations:
            wanted = np.array(keys, np.uint64)
            for generation in self._generations:
                places = np.searchsorted(generation.fingerprints, wanted)
                places[places == len(generation.crcs)] = 0
                for index in np.flatnonzero(generation.fingerprints[places] == wanted).tolist():
                    found[keys[index]] = self._committed(
                        keys[index], int(generation.crcs[places[index]])
                    )
        return found

    def add(self, ids: dict[int, Committed], now_ns: int) -> None:
        """Remember ids that are durable now."""
        self._young.update((key, committed.crc) for key, committed in ids.items())
        self._answers.update(
            (key, committed.errors) for key, committed in ids.items() if committed.errors
        )
        self._settle(now_ns)

    def add_group(self, ids: bytes, answers: bytes, at_ns: int) -> None:
        """Remember the ids of a row that another worker, or an earlier process, committed."""
        records = np.frombuffer(ids, ID)
        self._young.update(
            zip(records["fingerprint"].tolist(), records["crc"].tolist(), strict=True)
        )
        if answers:
            for key, errors in _decode_answers(answers).items():
                self._answers[key] = [
                    ItemError(index, ItemErrorCode(code)) for index, code in errors
                ]
        self._settle(at_ns)

    def oldest_kept_ns(self, now_ns: int) -> int:
        """Give the time before which rows of ids are not needed any more."""
        return now_ns - self._keep_ns

    def _committed(self, key: int, crc: int) -> Committed:
        return Committed(crc, self._answers.get(key, ()))

    def _settle(self, at_ns: int) -> None:
        """Note when ids came; make the young a generation when they are many or span long."""
        self._young_newest_ns = max(self._young_newest_ns, at_ns)
        self._young_oldest_ns = self._young_oldest_ns or at_ns
        if len(self._young) > self._ids_max:
            for key in list(itertools.islice(self._young, len(self._young) - self._ids_max)):
                del self._young[key]
                self._answers.pop(key, None)
        if len(self._young) >= min(_YOUNG_IDS_MAX, self._share):
            self._retire_young()
        while len(self) > self._ids_max:
            self._drop_oldest()

    def _retire_young(self) -> None:
        fingerprints = np.fromiter(self._young.keys(), np.uint64, len(self._young))
        crcs = np.fromiter(self._young.values(), np.uint32, len(self._young))
        order = np.argsort(fingerprints)
        self._generations.append(
            _Generation(
                fingerprints[order],
                crcs[order],
                self._young_oldest_ns,
                self._young_newest_ns,
            )
        )
        self._young = {}
        self._young_oldest_ns = self._young_newest_ns = 0
        self._merge()

    def _merge(self) -> None:
        """Merge the youngest generations, so that there are few to look through.

        What is merged stays below a share of the ids and of the time: it is forgotten as one.
        """
        newest_ns = self._generations[-1].newest_ns
        small, ids = 0, 0
        for generation in reversed(self._generations):
            ids += len(generation.crcs)
            if ids > self._share or generation.oldest_ns < newest_ns - self._keep_ns // _SHARES:
                break
            small += 1
        if small < _MERGE_COUNT:
            return
        parts = self._generations[-small:]
        fingerprints = np.concatenate([each.fingerprints for each in parts])
        order = np.argsort(fingerprints, kind="stable")
        crcs = np.concatenate([each.crcs for each in parts])[order]
        self._generations[-small:] = [
            _Generation(fingerprints[order], crcs, parts[0].oldest_ns, newest_ns)
        ]

    def _expire(self, now_ns: int) -> None:
        limit_ns = self.oldest_kept_ns(now_ns)
        if self._young and self._young_oldest_ns < now_ns - self._keep_ns // _SHARES:
            self._retire_young()
        while self._generations and self._generations[0].newest_ns < limit_ns:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = self._generations.pop(0)
        if self._answers:
            for key in set(oldest.fingerprints.tolist()) & self._answers.keys():
                del self._answers[key]


class Claims:
    """Ids that some process is committing right now, as the kernel's locks on bytes of one file.

    A retry can reach another worker while its first attempt is still being committed. Each worker
    locks the byte whose offset is the id's hash for as long as the commit takes; who finds it
    locked comes again. The locks of a process that dies are gone with it.

    Behind the ids' bytes is one for each slot, which the slot's owner locks while it lives. They
    are in the same file so that a process that dies loses all of its locks at one instant: whoever
    can claim an id that it had finds it dead.
    """

    #: Bytes for ids; those for slots come after them.
    _IDS_BYTES = 1 << 62

    def __init__(self, folder: Folder) -> None:
        """Open the file."""
        path = folder.path / CLAIMS_LOCK
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, key: int, *, wait: bool = False) -> bool:
        """Claim an id. Without `wait`, return False where someone else has it."""
        try:
            self._lock(fcntl.F_WRLCK, key % self._IDS_BYTES, 1, wait=wait)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def release_all(self) -> None:
        """Give up every id that was claimed."""
        self._lock(fcntl.F_UNLCK, 0, self._IDS_BYTES, wait=False)

    def own(self, slot: int) -> None:
        """Say that this process, which has just settled its file, is a slot's owner."""
        self._lock(fcntl.F_WRLCK, self._IDS_BYTES + slot, 1, wait=True)

    def is_owned(self, slot: int) -> bool:
        """Say whether another process that lives owns a slot."""
        if hasattr(fcntl, "F_OFD_GETLK"):
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, self._IDS_BYTES + slot, 1, 0)
            kind: int = _FLOCK.unpack(fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, asked))[0]
            return kind != fcntl.F_UNLCK
        try:
            self._lock(fcntl.F_WRLCK, self._IDS_BYTES + slot, 1, wait=False)
        except (BlockingIOError, PermissionError):
            return True
        self._lock(fcntl.F_UNLCK, self._IDS_BYTES + slot, 1, wait=False)
        return False

    def close(self) -> None:
        """Close the file, which gives everything up."""
        os.close(self._file)

    def _lock(self, kind: int, start: int, length: int, *, wait: bool) -> None:
        if not hasattr(fcntl, "F_OFD_SETLK"):
            # Locks of the process, not of the open file: as good, with one store a process.
            operation = fcntl.LOCK_UN if kind == fcntl.F_UNLCK else fcntl.LOCK_EX
            block = 0 if wait or kind == fcntl.F_UNLCK else fcntl.LOCK_NB
            fcntl.lockf(self._file, operation | block, length, start)
            return
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        fcntl.fcntl(self._file, command, _FLOCK.pack(kind, os.SEEK_SET, start, length, 0))
