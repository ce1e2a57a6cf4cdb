"""A chat room: what one member says, all others see.

python examples/chat.py tcp://127.0.0.1:9000 --loops 2
netcore run examples.chat:Chat tcp://127.0.0.1:9000
nc 127.0.0.1 9000

A line is at most 512 bytes long. Commands are /nick NAME, /who and /quit.
"""

import argparse
import sys
import threading
from contextlib import suppress

import netcore

MAX_LINE = 512
MAX_NAME = 20

OPTIONS = netcore.Options(
    # Who has lost power or the net says no goodbye, and would be here for ever.
    tcp_keep_alive=60,
    # A member who does not read is dropped rather than remembered for: the room goes on without.
    low_water=16384,
    high_water=32768,
    max_outbound=65536,
    socket_send_buffer=65536,
)


class Chat(netcore.EventHandler):
    """One room, whose members live on any number of loops.

    Each loop has a part of the room that only its own thread touches, so that telling everybody takes one
    task for each loop, not a lock. A member's ``conn.context`` is its name.
    """

    def __init__(self) -> None:
        self._loops: tuple[netcore.EventLoop, ...] = ()
        self._parts: list[dict[int, netcore.Conn]] = []
        self._names: set[str] = set()
        self._lock = threading.Lock()  # for the names, which are unique in the whole room

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        self._loops = engine.loops
        self._parts = [{} for _ in engine.loops]
        print("chat on", *engine.addresses, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Lets a guest in."""
        conn.context = f"guest{conn.id}"
        with self._lock:
            self._names.add(conn.context)
        self._parts[conn.loop.index][conn.id] = conn
        conn.write(f"* welcome, {conn.context}\n".encode())
        self._tell_others(conn, f"* {conn.context} has joined")

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Takes the lines that are complete; the beginning of another one stays for the next time."""
        while not conn.closed:
            start = conn.peek(min(conn.inbound_buffered, MAX_LINE + 1))
            line, newline, _ = bytes(start).partition(b"\n")
            if newline:
                conn.discard(len(line) + 1)
                self._hear(conn, line)
            elif len(line) > MAX_LINE:
                conn.discard()
                conn.write(b"* that line is too long\n")
                conn.close()
            else:
                return

    def on_close(self, conn: netcore.Conn, error: Exception | None) -> None:
        """Says who has gone, and why if it was not by their own will."""
        del self._parts[conn.loop.index][conn.id]
        with self._lock:
            self._names.discard(conn.context)
        slow = conn.close_reason is netcore.CloseReason.OVERFLOW
        self._tell_others(conn, f"* {conn.context} has {'been too slow' if slow else 'left'}")

    def _hear(self, conn: netcore.Conn, line: bytes) -> None:
        # A member's terminal obeys control characters: nobody gets to send it any.
        text = "".join(filter(str.isprintable, line.decode("utf-8", "replace"))).strip()
        command, _, argument = text.partition(" ")
        if command == "/nick":
            self._rename(conn, argument.strip())
        elif command == "/who":
            with self._lock:
                names = sorted(self._names)
            conn.write(f"* here: {', '.join(names)}\n".encode())
        elif command == "/quit":
            conn.close()
        elif command.startswith("/"):
            conn.write(b"* the commands are /nick NAME, /who and /quit\n")
        elif text:
            self._tell_others(conn, f"{conn.context}: {text}")

    def _rename(self, conn: netcore.Conn, name: str) -> None:
        if not name.isalnum() or len(name) > MAX_NAME:
            conn.write(f"* a name is 1 to {MAX_NAME} letters and digits\n".encode())
            return
        with self._lock:
            # What guests are called at first belongs to those who are still to come.
            taken = name in self._names or name.startswith("guest")
            if not taken:
                self._names.remove(conn.context)
                self._names.add(name)
        if taken:
            conn.write(b"* that name is taken\n")
            return
        former, conn.context = conn.context, name
        conn.write(f"* you are {name}\n".encode())
        self._tell_others(conn, f"* {former} is now {name}")

    def _tell_others(self, speaker: netcore.Conn, line: str) -> None:
        for loop in self._loops:
            with suppress(netcore.EngineNotRunningError):  # it has ended, and with it its members
                loop.execute(self._tell_part, loop.index, speaker.id, f"{line}\n".encode())

    def _tell_part(self, index: int, speaker: int, line: bytes) -> None:
        for conn in self._parts[index].values():
            if conn.id != speaker and not conn.closed:
                conn.write(line)


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="A chat room.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:9000"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:9000)",
    )
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        netcore.run(
            Chat(),
            *arguments.addresses,
            options=OPTIONS,
            num_event_loops=arguments.loops,
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"chat: {error}")


if __name__ == "__main__":
    main()
