"""Echo with netcore, one loop, by KCP or TCP. Usage: kcp_netcore.py ADDRESS."""

import sys

import netcore
from netcore.kcp import KcpOptions

WINDOW = 1024  # segments
SOCKET_BUFFER = 4 << 20  # bytes; the kernel takes as much of it as net.core.rmem_max allows


class Echo(netcore.EventHandler):
    def on_traffic(self, conn: netcore.Conn) -> None:
        conn.write(conn.read())


if __name__ == "__main__":
    netcore.run(
        Echo(),
        sys.argv[1],
        num_event_loops=1,
        kcp=KcpOptions(send_window=WINDOW, receive_window=WINDOW),
        socket_recv_buffer=SOCKET_BUFFER,
        socket_send_buffer=SOCKET_BUFFER,
        shutdown_timeout=0,  # the load goes without a word, since KCP has none for it
    )
