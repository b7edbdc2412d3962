#!/usr/bin/env python3
"""Deletes a million old messages while texts arrive; the texts must not take much longer.

    python3 tests/checks/purge.py --binary target/release/partyline [--messages 1000000] [--seconds 60]

The messages, with two notifications and one event each, are written to the SQLite file while the server is stopped.
Texts are then measured without and with retention. Prints one line per measurement with its limit, and exits with 1 if a
limit is exceeded.
"""

import argparse
import sqlite3
import threading
import time
from datetime import datetime, timedelta, timezone

from server import ACCOUNT, NUMBER, TOKEN, Figures, Server, percentile, wait_until

AGE = timedelta(days=200)
PER_THREAD = 50
TEXTS_PER_SECOND = 50
# In ms. Smaller differences are within the scheduling noise of two cores.
SCHEDULING_NOISE = 25.0
ROUNDS = 3


def row_id(millis, kind, number):
    """A UUID of version 7 with this time."""
    return ((millis << 80) | (7 << 76) | (kind << 64) | (0b10 << 62) | number).to_bytes(16)


def seed(file, messages):
    """Copies the rows of the only text as often as wanted, with other ids and an old date."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.row_factory = sqlite3.Row
    for pragma in ("foreign_keys = OFF", "synchronous = OFF", "journal_mode = OFF", "cache_size = -1000000"):
        connection.execute(f"PRAGMA {pragma}")

    def one(table):
        return dict(connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone())

    def insert(table, rows):
        rows = iter(rows)
        first = next(rows)
        statement = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({', '.join('?' * len(first))})"
        connection.execute(statement, tuple(first.values()))
        connection.executemany(statement, (tuple(row.values()) for row in rows))

    contact, thread, message, event = one("contact"), one("thread"), one("message"), one("event")
    notices = [dict(row) for row in connection.execute("SELECT * FROM notification")]
    position = connection.execute("SELECT position FROM agency_position WHERE agency_id = ?", (message["agency_id"],)).fetchone()[0]
    start = datetime.now(timezone.utc) - AGE
    millis = int(start.timestamp() * 1000)
    at = lambda n: (start + timedelta(milliseconds=n)).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    threads = max(1, messages // PER_THREAD)
    contact_of = lambda n: row_id(millis, 1, n)
    thread_of = lambda n: row_id(millis, 2, n)
    message_of = lambda n: row_id(millis + n, 3, n)
    in_thread = lambda n: messages // threads + (n < messages % threads)
    last_in = lambda n: n + (in_thread(n) - 1) * threads
    created = {"created_at": at(0)}
    connection.execute("BEGIN")
    # The log is in the order of time, and is deleted from its begin.
    connection.execute("UPDATE event SET created_at = ?", (at(0),))
    insert("contact", (contact | created | {"id": contact_of(n), "phone": f"+1404{n:07d}"} for n in range(threads)))
    insert("thread", (
        thread | created | {
            "id": thread_of(n), "contact_id": contact_of(n), "inbound_count": in_thread(n), "last_message_id": message_of(last_in(n)),
            "last_message_at": at(last_in(n)), "last_activity_at": at(last_in(n)), "waiting_since": at(n),
        }
        for n in range(threads)
    ))
    insert("message", (
        message | {"id": message_of(n), "thread_id": thread_of(n % threads), "provider_sid": f"SM{n:032x}", "created_at": at(n)}
        for n in range(messages)
    ))
    insert("event", (
        event | {"position": position + 1 + n, "thread_id": thread_of(n % threads), "message_id": message_of(n), "created_at": at(n)}
        for n in range(messages)
    ))
    insert("notification", (
        notice | {
            "id": row_id(millis + n, 4 + which, n), "event_position": position + 1 + n, "thread_id": thread_of(n % threads),
            "message_id": message_of(n), "created_at": at(n),
        }
        for n in range(messages)
        for which, notice in enumerate(notices)
    ))
    connection.execute("UPDATE agency_position SET position = position + ? WHERE agency_id = ?", (messages, message["agency_id"]))
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def old_messages(file):
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)
    (count,) = connection.execute("SELECT COUNT(*) FROM message WHERE created_at < ?", ((datetime.now(timezone.utc) - AGE / 2).isoformat(),)).fetchone()
    connection.close()
    return count


def texts(server, seconds):
    """Sends texts at a steady rate over several connections; returns their durations and the number of failures."""
    durations, failures, lock = [], [0], threading.Lock()
    connections = 5

    def send(first):
        client, begin = server.client(), time.monotonic()
        for n in range(int(seconds * TEXTS_PER_SECOND / connections)):
            due = begin + n * connections / TEXTS_PER_SECOND + first / TEXTS_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            status, spent = client.text(ACCOUNT, TOKEN, f"+1303557{(first * 37 + n) % 200:04d}", NUMBER, "hello")
            with lock:
                durations.append(spent)
                failures[0] += status != 200

    senders = [threading.Thread(target=send, args=(first,)) for first in range(connections)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return durations, failures[0]


def keep(server, messages, events):
    retention = f"{{messages: {messages}, events: {events}}}"
    server.apply(f"agencies: [{{key: acme, retention: {retention}}}]")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60, help="duration of each measurement")
    parser.add_argument("--to-the-end", action="store_true", help="wait until all of them are deleted, and print the rate")
    arguments = parser.parse_args()
    figures = Figures()
    with Server(arguments.binary) as server:
        server.client().text(ACCOUNT, TOKEN, "+13035569999", NUMBER, "the row that is copied")
        keep(server, "forever", "3650d")
        server.stop()
        file = f"{server.folder.name}/p.db"
        began = time.monotonic()
        seed(file, arguments.messages)
        print(f"       {arguments.messages:,} messages were written in {time.monotonic() - began:.0f} s", flush=True)
        server.start()
        texts(server, 5)
        quiet, purging, wrong, deleted, spent = [], [], 0, 0, 0.0
        # Alternating, because the speed of the machine varies over time.
        for _ in range(ROUNDS):
            keep(server, "forever", "3650d")
            durations, failures = texts(server, arguments.seconds / ROUNDS)
            quiet += durations
            wrong += failures
            before = old_messages(file)
            keep(server, "30d", "30d")
            wait_until("the purge has begun", lambda: old_messages(file) < before, seconds=600)
            began, before = time.monotonic(), old_messages(file)
            durations, failures = texts(server, arguments.seconds / ROUNDS)
            purging += durations
            wrong += failures
            deleted += before - old_messages(file)
            spent += time.monotonic() - began
        for share in (0.5, 0.99):
            usual, value = 1000 * percentile(quiet, share), 1000 * percentile(purging, share)
            name = f"p{100 * share:.0f} of a text while messages are deleted, quiet {usual:.1f} ms"
            figures.check(name, value, max(2 * usual, SCHEDULING_NOISE), "ms")
        figures.check("texts with another status than 200", wrong, 0)
        print(f"       {deleted:,} messages were deleted in {spent:.0f} s: {deleted / spent:,.0f} per second", flush=True)
        if arguments.to_the_end:
            began, before = time.monotonic(), old_messages(file)
            wait_until("all old messages are deleted", lambda: old_messages(file) == 0, seconds=7200)
            print(f"       the other {before:,} took {time.monotonic() - began:.0f} s", flush=True)
    figures.exit()


if __name__ == "__main__":
    main()
