"""Fakes that C calls: the functions that the hot half takes from a poller and from sockets, as callbacks.

C does not know of exceptions. What a fake raises is kept until the wait is over, and raised by that; a wait
itself may fail with an errno.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from netcore._native import MISSING, address, native
from netcore.eventloop import Loop
from netcore.testing import FakeSockets

_SIGNATURES = {
    "wait": "int(nc_poller *, double, int, nc_socket *, int *)",
    "accept": "int(nc_socket, int, nc_socket *, unsigned char *, int *)",
    "receive": "int(int, nc_socket *, char *, size_t, size_t, intptr_t *)",
    "receive_one": "intptr_t(nc_socket, char *, size_t)",
    "available": "intptr_t(nc_socket)",
    "send": "int(int, nc_socket *, size_t *, char *, char **, intptr_t *)",
    "send_one": "intptr_t(nc_socket, char *, size_t)",
    "receive_datagrams": (
        "int(nc_socket, int, int, char *, size_t, intptr_t *, unsigned char *, int *, int *)"
    ),
    "send_datagrams": "int(nc_socket, int, size_t *, char *, char **, unsigned char *, intptr_t *)",
}
"""Of the types in ``hot.h``."""

if not MISSING:
    _ffi = native()[0]


class _Callbacks:
    """Makes functions of C out of methods. It comes before the class whose methods they call.

    Attributes:
        raised: What they have raised, and C has not heard of.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        self.raised: list[BaseException] = []
        self._functions: list[object] = []  # which live as long as C may call them
        super().__init__(*args, **named)

    def _function(self, name: str, method: Callable[..., int], failed: int = -errno.EIO) -> int:
        def call(*args: Any) -> int:
            try:
                return method(*args)
            except BaseException as error:
                self.raised.append(error)
                return failed

        function = _ffi.callback(_SIGNATURES[name], call)
        self._functions.append(function)
        return int(_ffi.cast("uintptr_t", function))


class PollerInC(_Callbacks):
    """A poller with memory of C's, and a function that waits."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._struct = _ffi.new("nc_poller *")
        self._wait_address = self._function("wait", self._wait_for_c)

    def hot_control(self) -> int:
        return 0  # it keeps its own table

    def hot_wait(self) -> tuple[object, int, int]:
        """See ``NativePoller.hot_wait``."""
        return self._struct, address(self._struct), self._wait_address

    def close(self) -> None:
        """See ``Poller.close``."""
        self._struct.handle = -1
        super().close()  # type: ignore[misc]

    def _wait_for_c(self, _: object, timeout: float, capacity: int, sockets: Any, readiness: Any) -> int:
        try:
            found = self.wait(None if timeout < 0 else timeout)  # type: ignore[attr-defined]
        except OSError as error:
            return -(error.errno or errno.EIO)
        assert len(found) <= capacity
        for i, (fd, ready) in enumerate(found):
            sockets[i] = fd
            readiness[i] = ready
        return len(found)


_NAME_SIZES = {0: 1, 4: 7, 0x44: 11, 6: 23, 0x46: 43}
"""Bytes of a packed name, by its first; see ``netcore.h``."""


class DatagramsInC(_Callbacks):
    """Sockets of whose datagrams C may receive and send batches."""

    receive_cap = 65536

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._datagrams = {
            "receive": self._function("receive_datagrams", self._receive_datagrams, 0),
            "send": self._function("send_datagrams", self._send_datagrams, 0),
        }
        self._slots_of_c: Any = None

    def hot_datagrams(self) -> dict[str, int]:
        """See ``NativeDatagrams.hot_datagrams``."""
        return self._datagrams

    def hot_slots(self) -> int:
        """See ``NativeDatagrams.hot_slots``."""
        if self._slots_of_c is None:
            slot = native()[1].NC_DATAGRAM_SLOT
            self._slots_of_c = _ffi.new("char[]", 256 * (slot + self.receive_cap))
        return address(self._slots_of_c)

    def _receive_datagrams(
        self,
        socket: int,
        capacity: int,
        limit: int,
        arena: Any,
        cap: int,
        lengths: Any,
        names: Any,
        name_size: Any,
        error: Any,
    ) -> int:
        slot = native()[1].NC_DATAGRAM_SLOT
        error[0] = 0
        received, error[0] = self.receive_datagrams(socket, limit)  # type: ignore[attr-defined]
        # Who still looked at the datagrams of the batch before would see that.
        _ffi.buffer(arena, capacity * slot)[:] = b"\xee" * capacity * slot
        for i, (data, name) in enumerate(received):
            name_size[0] = len(name)
            _ffi.memmove(names + i * len(name), name, len(name))
            lengths[i] = -errno.EMSGSIZE if data is None else len(data)
            if data:
                place = i * slot if len(data) <= slot else capacity * slot + i * cap
                _ffi.memmove(arena + place, data, len(data))
        return len(received)

    def _send_datagrams(
        self, socket: int, count: int, lengths: Any, joined: Any, pointers: Any, names: Any, unsent: Any
    ) -> int:
        chunks, packed = [], []
        used = named = 0
        for i in range(count):
            place = pointers[i]
            if place == _ffi.NULL:
                place = joined + used
                used += lengths[i]
            chunks.append(_ffi.unpack(place, lengths[i]) if lengths[i] else b"")
            size = _NAME_SIZES[names[named]]
            packed.append(bytes(_ffi.buffer(names + named, size)))
            named += size
            unsent[i] = 0
        failures = self.send_datagrams(socket, chunks, packed)  # type: ignore[attr-defined]
        for i, code in failures:
            unsent[i] = code
        return len(failures)


class SocketsInC(DatagramsInC):
    """Sockets of which C may receive and send in batches, but not tell what is there, as of a ring."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._addresses = {
            "receive": self._function("receive", self._receive_batch, 1),
            "send": self._function("send", self._send_batch),
            "send_one": self._function("send_one", self._send_single),
        }

    def hot_calls(self) -> dict[str, int]:
        """See ``NativeSockets.hot_calls``."""
        return {"ring": 0, "accept": 0, "receive_one": 0, "available": 0, "close": 0, **self._addresses}

    def hot_arena(self) -> int:
        """See ``NativeSockets.hot_arena``."""
        return address(_ffi.from_buffer(self.arena))  # type: ignore[attr-defined]

    def _receive_batch(self, count: int, sockets: Any, arena: Any, room: int, cap: int, results: Any) -> int:
        results[0] = -errno.EIO  # unless it does not raise
        with self._memory_of_c(arena, room, cap):
            received = self.receive(_ffi.unpack(sockets, count))  # type: ignore[attr-defined]
        for i, n in enumerate(received):
            results[i] = n
        return len(received)

    @contextmanager
    def _memory_of_c(self, place: Any, room: int, cap: int) -> Iterator[None]:
        assert int(_ffi.cast("uintptr_t", place)) == self.hot_arena()
        yield

    def _send_batch(
        self, count: int, sockets: Any, lengths: Any, joined: Any, pointers: Any, unsent: Any
    ) -> int:
        chunks, used = [], 0
        for i in range(count):
            place = pointers[i]
            if place == _ffi.NULL:
                place = joined + used
                used += lengths[i]
            chunks.append(_ffi.unpack(place, lengths[i]))
            unsent[i] = 0
        left = self.send(_ffi.unpack(sockets, count), chunks)  # type: ignore[attr-defined]
        for i, n in left:
            unsent[i] = n
        return len(left)

    def _send_single(self, socket: int, chunk: Any, length: int) -> int:
        left = self.send([socket], [_ffi.unpack(chunk, length)])  # type: ignore[attr-defined]
        return left[0][1] if left else 0


class FakeSocketsInC(SocketsInC):
    """``FakeSockets`` that C may use as it does those of the system: they receive into any memory."""

    _memory: memoryview
    _arena_size: int
    _receive_cap: int
    _inbound: dict[int, Any]

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._addresses["receive_one"] = self._function("receive_one", self._receive_single)
        self._addresses["available"] = self._function("available", self._count_available)
        if not hasattr(self, "sabotage"):  # what that raises is the acceptor's to hear of, at once
            self._addresses["accept"] = self._function("accept", self._accept_batch)
        self.receive_cap = self._receive_cap

    @contextmanager
    def _memory_of_c(self, place: Any, room: int, cap: int) -> Iterator[None]:
        before = self._memory, self._arena_size, self._receive_cap
        memory = memoryview(_ffi.buffer(place, room))
        self._memory, self._arena_size, self._receive_cap = memory, room, cap
        try:
            yield
        finally:
            self._memory, self._arena_size, self._receive_cap = before

    def _receive_single(self, socket: int, place: Any, cap: int) -> int:
        with self._memory_of_c(place, cap, cap):
            return int(self.receive([socket])[0])  # type: ignore[attr-defined]

    def _accept_batch(self, listener: int, capacity: int, sockets: Any, names: Any, error: Any) -> int:
        accepted, error[0] = self.accept(listener, capacity)  # type: ignore[attr-defined]
        for i, (fd, name) in enumerate(accepted):
            sockets[i] = fd
            packed = bytes([len(name)]) + name
            _ffi.memmove(names + i * native()[1].NC_NAME_SIZE, packed, len(packed))
        return len(accepted)

    def _count_available(self, socket: int) -> int:
        waiting = self._inbound[socket]
        return len(waiting[0]) if waiting and isinstance(waiting[0], bytes) else 0


def of(half: str, *fakes: type) -> list[type]:
    """Returns classes of pollers or sockets for a half of the hot path: as they are, or as C can use them."""
    return [fake if half == "python" else _in_c(fake) for fake in fakes]


@cache
def _in_c(fake: type) -> type:
    if issubclass(fake, FakeSockets):
        before: type = FakeSocketsInC
    else:
        before = SocketsInC if hasattr(fake, "receive") else PollerInC
    return type(f"{fake.__name__}InC", (before, fake), {})


def let_raise(loop: Loop) -> None:
    """Has the waits of a loop raise what its fakes have raised under C."""
    places = [getattr(part, "raised", None) for part in (loop.poller, loop.sockets)]
    for name in ("wait", "turns"):
        setattr(loop._intake, name, _raising(getattr(loop._intake, name), places))


def _raising(
    method: Callable[[float | None], int], places: list[list[BaseException] | None]
) -> Callable[[float | None], int]:
    def call(timeout: float | None) -> int:
        try:
            return method(timeout)
        finally:
            for raised in places:
                if raised:
                    raise raised.pop(0)

    return call
