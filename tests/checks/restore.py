#!/usr/bin/env python3
"""Restores a backup that was taken under load, ten times, and checks that the carrier's ledger has no text twice.

    python3 tests/checks/restore.py --binary target/debug/partyline [--runs 10]

Each run serves a fresh SQLite file with a simulated carrier, queues texts faster than they are sent, takes a backup in
the meantime with `partyline backup`, lets a contact text STOP, stops the server, runs `partyline restore`, and serves
again. The first run restores without access to the carrier, and runs `partyline restored` later. Prints one line per run
and `N passed, 0 failed`.
"""

import argparse
import json
import sqlite3
import sys
import tarfile
import threading
import time
from collections import Counter
from pathlib import Path

from server import ACCOUNT, NUMBER, PUBLIC_URL, TEXTS, TOKEN, Client, Failure, Server, free_port, wait_until

PHONES = [f"+1303557{n:04d}" for n in range(8)]
STOPPED = "+13035579999"
DIRECTORY = f"""
agencies:
  - key: acme
    name: Acme Health
    timeZone: America/Denver
    twilio: {{accountSid: {ACCOUNT}, authToken: {TOKEN}}}
    users:
      - {{key: ana, name: Ana Lopez, role: ADMIN}}
    phoneNumbers:
      - number: "{NUMBER}"
        label: Front desk
        policy: FIRST_CLAIM
        pace: {{perSecond: 20, burst: 5}}
        pool:
          - {{user: ana, primary: true}}
"""
START = "mutation($input: StartThreadInput!) { startThread(input: $input) { thread { id } userErrors { code } } }"
SEND = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { userErrors { code } } }"


class Run:
    """One server, its carrier, and an admin."""

    def __init__(self, server, carrier_port):
        self.server, self.carrier_port = server, carrier_port
        self.token = server.token("acme", "ana")
        self.file = Path(server.folder.name, "p.db")

    def ask(self, query, variables):
        _, answer, _ = self.server.client().graphql(self.token, query, variables)
        return answer["data"]

    def send(self, thread, key):
        """Queues a text whose body is its key; returns the codes of the user errors."""
        sent = self.ask(SEND, {"input": {"threadId": thread, "body": key, "idempotencyKey": key}})
        return [error["code"] for error in sent["sendMessage"]["userErrors"]]

    def ledger(self):
        return json.loads(self.server.get("/simulator/ledger", self.carrier_port)[1])

    def stop_by_text(self, phone):
        text = json.dumps({"from": phone, "to": NUMBER, "body": "STOP"})
        Client(self.carrier_port).post("/simulator/texts", text, {"content-type": "application/json"})

    def back_up(self, to):
        """Returns the number of queued texts in the backup."""
        self.server.run("backup", str(to))
        copy = to.with_suffix(".copy")
        with tarfile.open(to) as archive:
            copy.write_bytes(archive.extractfile("partyline.db").read())
        database = sqlite3.connect(copy)
        waiting = database.execute("SELECT count(*) FROM outbox").fetchone()[0]
        database.close()
        return waiting

    def waiting(self):
        database = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)
        waiting = database.execute("SELECT count(*) FROM outbox").fetchone()[0]
        database.close()
        return waiting


def run_once(run, number):
    server = run.server
    made = [
        run.ask(START, {"input": {"to": phone, "body": f"hello {phone}", "idempotencyKey": phone}})["startThread"]
        for phone in [*PHONES, STOPPED]
    ]
    threads = [started["thread"]["id"] for started in made]
    stopped = threading.Event()

    def load():
        n = 0
        while not stopped.is_set():
            run.send(threads[n % len(PHONES)], f"text {number}.{n}")
            n += 1
            time.sleep(0.01 if n < 120 else 0.1)

    loading = threading.Thread(target=load)
    loading.start()
    time.sleep(1.0)
    backup = run.file.with_name("backup.tar")
    waiting = run.back_up(backup)
    run.stop_by_text(STOPPED)
    time.sleep(1.5)
    stopped.set()
    loading.join()
    wait_until("the texts of the backup are sent", lambda: len(run.ledger()) > waiting)
    server.stop()
    before = len(run.ledger())

    if number == 0:
        # Nothing is sent before the carrier's records have been read.
        carrier, server.environment["TWILIO_API_BASE"] = server.environment["TWILIO_API_BASE"], "http://127.0.0.1:9"
        if "partyline restored" not in server.run("restore", "--force", str(backup)):
            raise Failure("the restore does not say that it is not complete")
        server.environment["TWILIO_API_BASE"] = carrier
        server.start()
        if b"partyline restored" not in server.get("/readyz")[1]:
            raise Failure("the restore was not detected")
        time.sleep(2)
        server.stop()
        if len(run.ledger()) != before:
            raise Failure("texts were sent before `partyline restored`")
        server.run("restored")
    else:
        server.run("restore", "--force", str(backup))
    server.start()
    wait_until("the outbox is empty", lambda: run.waiting() == 0)
    refused = run.send(threads[-1], "after STOP")
    if refused != ["OPTED_OUT"]:
        raise Failure(f"the STOP after the backup is not in effect: {refused}")
    run.send(threads[0], f"new {number}")
    wait_until("a new text is sent", lambda: any(sent["body"] == f"new {number}" for sent in run.ledger()))
    ledger = run.ledger()
    twice = {body: count for body, count in Counter(sent["body"] for sent in ledger).items() if count > 1}
    if twice:
        raise Failure(f"sent twice: {twice}")
    print(f"run {number}: {waiting} texts queued in the backup, {len(ledger)} in the carrier's ledger, none twice, STOP in effect", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--runs", type=int, default=10)
    arguments = parser.parse_args()
    failed = 0
    for number in range(arguments.runs):
        carrier_port = free_port()
        carrier = f"127.0.0.1:{carrier_port}"
        settings = {"TWILIO_API_BASE": f"http://{carrier}", "PARTYLINE_UNKNOWN_AFTER": "5s"}
        with Server(arguments.binary, DIRECTORY, **settings) as server:
            public = f"{PUBLIC_URL}=http://127.0.0.1:{server.port}"
            server.start_process(
                "twilio-sim", "--listen", carrier, "--account", f"{ACCOUNT}:{TOKEN}", "--webhook", f"{PUBLIC_URL}{TEXTS}",
                "--deliver", public,
            )
            wait_until("the carrier responds", lambda: server.get("/simulator/ledger", carrier_port)[0] == 200)
            try:
                run_once(Run(server, carrier_port), number)
            except Failure as failure:
                failed += 1
                print(f"run {number} FAILED: {failure}", flush=True)
    print(f"{arguments.runs - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
