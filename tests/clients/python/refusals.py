#!/usr/bin/env python3
"""Measures the cost of refusing excessive requests.

    tests/clients/python/refusals.py --binary target/release/partyline [--times 200]

Serves a fresh SQLite file, repeats each request the given number of times, and prints its status, the server's
processor time per request, and the length of the response, next to those of an ordinary query. Fails if a response is
not the expected one, or if the server's resident set grows by more than 16 MiB at its peak.
"""

import argparse
import http.client
import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from partyline import Failure, Server, serving

MEMORY = 16 << 10  # KiB
LONG = 50_000_000
SLOW = 100
CUT_OFF = 0  # no status: the connection was closed first
PIECE = b"x" * 65_536

Answer = tuple[int, bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--times", type=int, default=200)
    options = parser.parse_args()
    with serving(str(Path(options.binary).resolve())) as server:
        measure(server, options.times)


def measure(server: Server, times: int) -> None:
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/graphql-response+json",
        "Authorization": f"Bearer {server.token()}",
    }

    def ask(body: object) -> Callable[[], Answer]:
        text = json.dumps(body)
        return lambda: server.post("/graphql", text, headers)

    def aliases(count: int) -> dict:
        return {"query": "{ " + " ".join(f"a{n}: viewer {{ key }}" for n in range(count)) + " }"}

    query = {"query": "{ viewer { key } }"}
    cases = [
        ("a query, answered", 200, b'"key"', ask(query)),
        ("a batch of 1,000", 400, b"", ask([query] * 1_000)),
        ("150 aliases", 400, b"QUERY_TOO_COMPLEX", ask(aliases(150))),
        ("5,000 aliases", 400, b"QUERY_TOO_COMPLEX", ask(aliases(5_000))),
        ("100,000 brackets", 400, b"QUERY_TOO_COMPLEX", ask({"query": "{a" * 100_000})),
        ("50 MB, declared length", 413, b"", lambda: long_body(server, headers, f"Content-Length: {LONG}")),
        ("50 MB, chunked", 413, b"", lambda: long_body(server, headers, "Transfer-Encoding: chunked")),
    ]
    for _, _, _, once in cases:
        once()
    before = memory(server, "VmRSS")
    slow, began = [slow_body(server, headers) for _ in range(SLOW)], time.monotonic()
    print("| request | status | CPU per request | response bytes |\n|---|---:|---:|---:|")
    for name, status, part, once in cases:
        cpu, length, cut_off = cpu_time(server), 0, 0
        for _ in range(times):
            answered, content = once()
            if answered == CUT_OFF:
                cut_off += 1
                continue
            if answered != status or part not in content:
                raise Failure(f"{name} got {answered}: {content[:200]!r}")
            length = len(content)
        if cut_off and status != 413:
            raise Failure(f"{name} was disconnected")
        answers = f"{status}, {cut_off} of {times} disconnected" if cut_off else f"{status}"
        print(f"| {name} | {answers} | {(cpu_time(server) - cpu) / times * 1e3:.2f} ms | {length} |")
    for connection in slow:
        with connection:
            if (answered := http_status(connection)) != 408:
                raise Failure(f"a slow body got {answered}")
    took, grown = time.monotonic() - began, memory(server, "VmHWM") - before
    print(f"\n{SLOW} slow bodies: 408, the last after {took:.1f} s")
    print(f"peak memory growth of the server: {grown / 1024:.1f} MiB")
    if grown > MEMORY:
        raise Failure("the memory growth exceeds the limit")


def send_head(server: Server, headers: dict[str, str], framing: str) -> socket.socket:
    """A connection on which the header section of a request has been sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"POST /graphql HTTP/1.1\r\nHost: localhost\r\n{head}{framing}\r\n\r\n".encode())
    return connection


def long_body(server: Server, headers: dict[str, str], framing: str) -> Answer:
    """Sends until the server responds or disconnects."""
    connection = send_head(server, headers, framing)
    piece = PIECE if "Length" in framing else b"%x\r\n%s\r\n" % (len(PIECE), PIECE)
    # The server may respond and close during the transfer; the response can then be lost with the connection.
    with connection, suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(LONG // len(PIECE)):
            if select.select([connection], [], [], 0)[0]:
                break
            connection.sendall(piece)
        return http_status(connection), b""
    return CUT_OFF, b""


def slow_body(server: Server, headers: dict[str, str]) -> socket.socket:
    connection = send_head(server, headers, "Content-Length: 100")
    connection.sendall(b'{"query":')
    return connection


def http_status(connection: socket.socket) -> int:
    """The status of the response."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status


def cpu_time(server: Server) -> float:
    """Seconds of processor time that the server has used (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(server: Server, name: str) -> int:
    """A value of proc_pid_status(5), in KiB."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
