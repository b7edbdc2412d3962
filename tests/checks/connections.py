#!/usr/bin/env python3
"""Opens 300 connections that pipeline requests and never read. They must be closed, use little memory, and not delay
the shutdown.

    python3 tests/checks/connections.py --binary target/debug/partyline

Prints one line per measurement with its limit, and exits with 1 if a limit is exceeded.
"""

import argparse
import os
import socket
import time
from pathlib import Path

from server import Figures, Server, wait_until

CONNECTIONS = 300
MAX_CONNECTIONS = 400
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
PARTIAL_HEAD = b"GET / HTTP/1.1\r\nHost:"


def connect(port, sent):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.setblocking(False)
    try:
        connection.send(sent)
    except BlockingIOError:
        pass
    return connection


def is_socket(descriptor):
    try:
        return os.readlink(descriptor).startswith("socket:")
    except FileNotFoundError:  # closed since the folder was listed
        return False


def open_sockets(server):
    """The number of sockets that the server holds. A client that does not read does not see the end of its connection."""
    descriptors = Path(f"/proc/{server.process.pid}/fd").iterdir()
    return sum(is_socket(descriptor) for descriptor in descriptors)


def count_idle_sockets(server):
    """The number of sockets without clients: once it is the same for a second, those of the start-up are closed."""
    counts = []

    def is_stable():
        counts.append(open_sockets(server))
        return len(counts) >= 20 and len(set(counts[-20:])) == 1

    wait_until("the number of sockets is stable", is_stable)
    return counts[-1]


def wait_for_sockets(server, expected):
    """A busy machine can take seconds to accept hundreds of connections that all send requests."""
    wait_until("all connections are accepted", lambda: open_sockets(server) >= expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    arguments = parser.parse_args()
    figures = Figures()
    with Server(arguments.binary, PARTYLINE_CONNECTIONS=str(MAX_CONNECTIONS)) as server:
        before, peak, idle = server.rss(), 0.0, count_idle_sockets(server)
        connections = [connect(server.port, REQUEST * 100) for _ in range(CONNECTIONS)]
        wait_for_sockets(server, idle + CONNECTIONS)
        end = time.monotonic() + 44
        while time.monotonic() < end:
            peak = max(peak, server.rss())
            time.sleep(0.5)
        figures.check("300 unread connections: still open after 45 s", open_sockets(server) - idle, 0)
        figures.check("300 unread connections: memory growth", peak - before, 64, "MB")
        for connection in connections:
            connection.close()
        open_connections = [connect(server.port, b"") for _ in range(MAX_CONNECTIONS)]
        wait_for_sockets(server, idle + MAX_CONNECTIONS)
        client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        client.sendall(REQUEST)
        answer = client.recv(4096)
        figures.check("beyond the limit: responses other than 503", 0 if answer.startswith(b"HTTP/1.1 503 ") else 1, 0)
        for connection in open_connections:
            connection.close()
        client.close()
        wait_until("the closed connections are closed", lambda: open_sockets(server) <= idle)
        silent = [connect(server.port, sent) for sent in (b"", PARTIAL_HEAD, REQUEST * 100) for _ in range(CONNECTIONS // 3)]
        wait_for_sockets(server, idle + CONNECTIONS)
        figures.check("300 silent connections: shutdown time", server.stop(), 5, "s")
        for connection in silent:
            connection.close()
    figures.exit()


if __name__ == "__main__":
    main()
