"""Types of the extension module that build.py makes from src/netcore.h."""

from collections.abc import Iterable, Sequence
from typing import Generic, Literal, TypeVar, overload

from typing_extensions import Buffer

_T = TypeVar("_T")

class Array(Generic[_T]):
    """A C array or pointer owned by Python."""

    def __getitem__(self, index: int) -> _T: ...
    def __setitem__(self, index: int | slice, value: _T | Iterable[_T]) -> None: ...
    def __len__(self) -> int: ...

class CBuffer:
    """Memory of C seen as a buffer; a slice of it is ``bytes``."""

    def __getitem__(self, index: slice) -> bytes: ...
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class Frames(Array[int]):
    """A pointer to ``nc_frames``."""

    format: Array[int]
    room: int
    used: int

class Poller(Array[int]):
    """A pointer to ``nc_poller``."""

    seen: int

class FFI:
    NULL: Array[bytes]
    @overload
    def new(self, cdecl: Literal["nc_frames *"]) -> Frames: ...
    @overload
    def new(self, cdecl: Literal["nc_poller *"]) -> Poller: ...
    @overload
    def new(self, cdecl: str, init: object = ...) -> Array[int]: ...
    def unpack(self, cdata: Array[int], length: int) -> list[int]: ...
    def buffer(self, cdata: Array[int], size: int = ...) -> CBuffer: ...
    @overload
    def from_buffer(self, python_buffer: Buffer) -> Array[bytes]: ...
    @overload
    def from_buffer(self, cdecl: str, python_buffer: Buffer) -> Array[int]: ...

_Sockets = Sequence[int] | Array[int]

class Lib:
    NC_NAME_SIZE: int
    NC_DATAGRAM_SLOT: int

    def nc_epoll_open(self, poller: Array[int]) -> int: ...
    def nc_epoll_control(self, poller: Array[int], operation: int, socket: int, interest: int) -> int: ...
    def nc_epoll_wait(
        self, poller: Array[int], timeout: float, capacity: int, sockets: Array[int], readiness: Array[int]
    ) -> int: ...
    def nc_epoll_wake(self, poller: Array[int]) -> int: ...
    def nc_epoll_close(self, poller: Array[int]) -> None: ...
    NC_FORMER: int

    def nc_kqueue_open(self, poller: Array[int]) -> int: ...
    def nc_kqueue_control(self, poller: Array[int], operation: int, socket: int, interest: int) -> int: ...
    def nc_kqueue_wait(
        self, poller: Array[int], timeout: float, capacity: int, sockets: Array[int], readiness: Array[int]
    ) -> int: ...
    def nc_kqueue_wake(self, poller: Array[int]) -> int: ...
    def nc_kqueue_close(self, poller: Array[int]) -> None: ...
    def nc_iocp_open(self, poller: Array[int]) -> int: ...
    def nc_iocp_control(self, poller: Array[int], operation: int, socket: int, interest: int) -> int: ...
    def nc_iocp_wait(
        self, poller: Array[int], timeout: float, capacity: int, sockets: Array[int], readiness: Array[int]
    ) -> int: ...
    def nc_iocp_wake(self, poller: Array[int]) -> int: ...
    def nc_iocp_close(self, poller: Array[int]) -> None: ...
    def nc_io_uring_built(self) -> int: ...
    def nc_io_uring_open_as(self, poller: Array[int], mode: int) -> int: ...
    def nc_io_uring_descriptor(self, poller: Array[int]) -> int: ...
    def nc_io_uring_control(self, poller: Array[int], operation: int, socket: int, interest: int) -> int: ...
    def nc_io_uring_adopt(self, poller: Array[int], socket: int, interest: int) -> int: ...
    def nc_io_uring_wait(
        self, poller: Array[int], timeout: float, capacity: int, sockets: Array[int], readiness: Array[int]
    ) -> int: ...
    def nc_io_uring_wake(self, poller: Array[int]) -> int: ...
    def nc_io_uring_close(self, poller: Array[int]) -> None: ...
    def nc_io_uring_accept(
        self,
        poller: Array[int],
        listener: int,
        capacity: int,
        sockets: Array[int],
        names: Array[int],
        error: Array[int],
    ) -> int: ...
    def nc_io_uring_receive(
        self,
        poller: Array[int],
        count: int,
        sockets: _Sockets,
        arena: Array[bytes],
        room: int,
        cap: int,
        results: Array[int],
    ) -> int: ...
    def nc_io_uring_receive_one(
        self, poller: Array[int], socket: int, arena: Array[bytes], cap: int
    ) -> int: ...
    def nc_io_uring_send(
        self,
        poller: Array[int],
        count: int,
        sockets: _Sockets,
        lengths: _Sockets,
        joined: bytes,
        pointers: Sequence[Array[bytes]] | Array[bytes],
        unsent: Array[int],
    ) -> int: ...
    def nc_io_uring_release(self, poller: Array[int], count: int, sockets: _Sockets) -> int: ...
    def nc_accept(
        self, listener: int, capacity: int, sockets: Array[int], names: Array[int], error: Array[int]
    ) -> int: ...
    def nc_receive(
        self, count: int, sockets: _Sockets, arena: Array[bytes], room: int, cap: int, results: Array[int]
    ) -> int: ...
    def nc_receive_one(self, socket: int, arena: Array[bytes], cap: int) -> int: ...
    def nc_send_one(self, socket: int, chunk: bytes | Array[bytes], length: int) -> int: ...
    def nc_send(
        self,
        count: int,
        sockets: _Sockets,
        lengths: _Sockets,
        joined: bytes,
        pointers: Sequence[Array[bytes]] | Array[bytes],
        unsent: Array[int],
    ) -> int: ...
    def nc_datagram_batches(self) -> int: ...
    def nc_ignore_unreachable(self, socket: int) -> int: ...
    def nc_receive_datagrams(
        self,
        socket: int,
        capacity: int,
        limit: int,
        arena: Array[bytes],
        cap: int,
        lengths: Array[int],
        names: Array[int],
        name_size: Array[int],
        error: Array[int],
    ) -> int: ...
    def nc_send_datagrams(
        self,
        socket: int,
        count: int,
        lengths: Sequence[int],
        joined: bytes,
        pointers: Sequence[Array[bytes]] | Array[bytes],
        names: bytes,
        unsent: Array[int],
    ) -> int: ...
    def nc_shutdown_write(self, socket: int) -> int: ...
    def nc_close(self, count: int, sockets: _Sockets) -> None: ...
    def nc_reset(self, socket: int) -> int: ...
    def nc_scan_length_fields(
        self, data: bytes, size: int, at: int, layout: Array[int], frames: Frames
    ) -> int: ...
    def nc_scan_lines(
        self, data: bytes, size: int, at: int, max_length: int, keep_delimiters: bool, frames: Frames
    ) -> int: ...
    def nc_scan_delimiters(
        self,
        data: bytes,
        size: int,
        at: int,
        max_length: int,
        keep_delimiters: bool,
        count: int,
        delimiters: bytes,
        lengths: Array[int],
        frames: Frames,
    ) -> int: ...

ffi: FFI
lib: Lib
