#!/usr/bin/env python3
"""One user opens 30 sockets with 32 subscriptions each, and one text arrives; the server must stay responsive.

    python3 tests/checks/subscriptions.py --binary target/debug/partyline

Runs twice: with documents of 95 aliases, and with short documents whose long responses are never read. Prints one line
per measurement with its limit, and exits with 1 if a limit is exceeded.
"""

import argparse
import base64
import json
import os
import socket
import struct
import time
from collections import Counter

from server import ACCOUNT, NUMBER, OTHER_ACCOUNT, OTHER_NUMBER, OTHER_TOKEN, TOKEN, Figures, Server

SOCKETS, SUBSCRIPTIONS = 30, 32
SMALL = "{ viewer { name } threads(first: 10) { nodes { id status } } }"


def with_aliases(n):
    """The maximum number of aliases; each subscription has a different document."""
    aliases = " ".join(f"a{alias}: lastMessage {{ body }}" for alias in range(95))
    return f"subscription S{n} {{ threadUpdated {{ thread {{ id {aliases} }} }} }}"


def with_long_responses(n):
    return f"subscription S{n} {{ threadUpdated {{ thread {{ messages(last: 100) {{ nodes {{ body }} }} }} }} }}"


class Socket:
    """A minimal client for graphql-transport-ws over RFC 6455."""

    def __init__(self, port, token, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /graphql/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )
        self.received = b""
        while b"\r\n\r\n" not in self.received:
            self.received += self.socket.recv(4096)
        self.received = self.received.split(b"\r\n\r\n", 1)[1]
        self.send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        assert self.next()["type"] == "connection_ack"

    def send(self, message):
        body = json.dumps(message).encode()
        size = bytes([0x80 | len(body)]) if len(body) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(body))
        # A mask of zeros leaves the body as it is.
        self.socket.sendall(b"\x81" + size + b"\0\0\0\0" + body)

    def receive(self, count):
        while len(self.received) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.received += more
        taken_bytes, self.received = self.received[:count], self.received[count:]
        return taken_bytes

    def next(self):
        """The next message; `None` if the server has closed the socket."""
        try:
            head = self.receive(2)
            length = head[1] & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", self.receive(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self.receive(8))
            body = self.receive(length)
        except (EOFError, OSError):
            return None
        return json.loads(body) if head[0] & 0x0F == 1 else None

    def close(self):
        self.socket.close()


def run(name, binary, document, reads, figures):
    with Server(binary) as server:
        client = server.client()
        for n in range(100):
            client.text(ACCOUNT, TOKEN, "+13035570001", NUMBER, f"{n} " + "x" * 1500)
        client.text(OTHER_ACCOUNT, OTHER_TOKEN, "+13035560077", OTHER_NUMBER, "hello")
        ana, eve = server.token("acme", "ana"), server.token("other", "eve")
        other = Socket(server.port, eve)
        other.send({"id": "1", "type": "subscribe", "payload": {"query": "subscription { threadUpdated { cursor } }"}})
        before = server.rss()
        sockets = [Socket(server.port, ana, None if reads else 4096) for _ in range(SOCKETS)]
        for place, each in enumerate(sockets):
            for n in range(SUBSCRIPTIONS):
                number = place * SUBSCRIPTIONS + n
                each.send({"id": str(n), "type": "subscribe", "payload": {"query": document(number)}})
        # The pong to a final ping on each socket shows that the server has processed all subscriptions.
        outcome = Counter()
        for each in sockets:
            each.send({"type": "ping"})
            while (message := each.next()) and message["type"] != "pong":
                outcome[message["payload"][0]["extensions"]["code"]] += 1
        outcome["accepted"] = SOCKETS * SUBSCRIPTIONS - sum(outcome.values())
        print(f"       {name}: {dict(outcome)}", flush=True)
        peak, slowest = server.rss(), 0.0
        began = time.monotonic()
        client.text(ACCOUNT, TOKEN, "+13035570001", NUMBER, "the text that triggers all subscriptions")
        client.text(OTHER_ACCOUNT, OTHER_TOKEN, "+13035560077", OTHER_NUMBER, "the other agency's text")
        assert other.next()["type"] == "next"
        latency = time.monotonic() - began
        # Long enough for the server to give up on sockets that do not read.
        end = time.monotonic() + (5 if reads else 14)
        while time.monotonic() < end:
            status, _, seconds = client.graphql(eve, SMALL)
            assert status == 200
            slowest, peak = max(slowest, seconds), max(peak, server.rss())
            if reads:
                for each in sockets:
                    each.socket.setblocking(False)
                    try:
                        while each.socket.recv(65536):
                            pass
                    except BlockingIOError:
                        pass
            time.sleep(0.02)
        figures.check(f"{name}: memory growth", peak - before, 64, "MB")
        figures.check(f"{name}: the other agency's event", 1000 * latency, 1000, "ms")
        figures.check(f"{name}: slowest query of the other agency", 1000 * slowest, 1000, "ms")
        for each in sockets:
            each.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    arguments = parser.parse_args()
    figures = Figures()
    run("95 aliases", arguments.binary, with_aliases, True, figures)
    run("long responses that are never read", arguments.binary, with_long_responses, False, figures)
    figures.exit()


if __name__ == "__main__":
    main()
