"""Measures every operation on every size of one kind of database.

The sizes take turns within each operation, so that a slow minute of the machine affects all of them, and each result is
the median of the repetitions. The servers of the other sizes are paused meanwhile.
"""

import json
import random
import time
from dataclasses import dataclass

import operations
from cost import CpuMeter, paused
from databases import open_database
from operations import CLAIM_1, CLAIM_16, CLAIMS, FAN, IDLE, MEMBER_QUERIES, NEW_16, OPERATIONS, QUERIES
from seeding import EACH, FIRST_MEMBER, History, contact_name, number_of, pool_of, seed, thread_id
from shared import (
    ADMINS,
    NUMBERS,
    SUBSCRIPTION,
    TEXT_PATH,
    NotMeasured,
    Partyline,
    directory,
    free_port,
    log,
    medians,
    run_generator,
)

# Contacts that are not seeded. Each repetition takes others of them, also in a database that is used again.
UNKNOWN_CONTACTS, NEW_CONTACTS = range(1_000_000, 8_000_000), 20_000
IDLE_SECONDS = 3
LOAD_SECONDS = 10  # the most that a measurement may take
PAGES_BEFORE = 19


@dataclass
class Plan:
    sizes: list  # numbers of messages
    repetitions: int


class Site:
    """Partyline on the database of one size, with the files that the generators read."""

    def __init__(self, database, history, partyline, folder):
        self.database, self.history, self.folder = database, history, folder
        name = f"growth{history.messages}"
        self.admins = partyline.write_tokens(folder / f"{name}.admins", range(1, ADMINS + 1))
        self.member = partyline.write_tokens(folder / f"{name}.member", [FIRST_MEMBER])
        self.server = partyline.serve(name, folder / f"{name}.log", self.admins)
        threads = history.unclaimed_threads()
        self.known = self.write("known", (f"{number_of(thread)} {thread}" for thread in threads))
        self.ids = self.write("ids", map(thread_id, threads))
        self.new = folder / f"{name}.new"
        closed, searched = thread_id(history.closed_thread()), contact_name(operations.SEARCHED)
        bodies = operations.query_bodies(self.cursor(), closed, searched.split()[-1])
        bodies |= {"subscription": SUBSCRIPTION, **operations.CLAIM_BODIES}
        self.bodies = {body: self.write(f"{body}.json", [json.dumps(value)]) for body, value in bodies.items()}
        self.meter_pids = [self.server.process.pid, database.server_pid]

    def write(self, name, lines):
        file = self.folder / f"growth{self.history.messages}.{name}"
        file.write_text("".join(f"{line}\n" for line in lines))
        return file

    def cursor(self):
        """The end of the page before the measured one."""
        after = None
        for _ in range(PAGES_BEFORE):
            response = self.server.graphql({**operations.CURSOR, "variables": {"a": after}})
            after = response["data"]["threads"]["pageInfo"]["endCursor"]
        return after

    def use_new_contacts(self):
        first = random.choice(UNKNOWN_CONTACTS[:-NEW_CONTACTS])
        self.new = self.write("new", (f"{n % NUMBERS} {n}" for n in range(first, first + NEW_CONTACTS)))

    def measure(self, operation):
        """A result of the generator, with the CPU time per request."""
        if operation.name == IDLE:
            meter = CpuMeter(self.meter_pids)
            time.sleep(IDLE_SECONDS)
            return {"cpu_us": meter.used_us() / IDLE_SECONDS, "errors": 0}
        if operation.name == FAN:
            return self.deliver(operation)
        if operation in CLAIMS:
            row = self.load(operation.clients, "claim", ids=self.ids)
            released = self.load(1, "release", ids=self.ids)
            row["errors"] += released["errors"] + row["ids_sent"] - row["ids_won"] + (row["max_wins"] != 1)
            return row
        if operation in QUERIES:
            tokens = self.member if operation.name in MEMBER_QUERIES else self.admins
            return self.load(operation.clients, operation.name, count=operation.count, bearers=tokens)
        pairs = self.new if operation.name == NEW_16 else self.known
        options = self.server.options("sms", TEXT_PATH, count=operation.count, pairs=pairs, sids="scattered")
        return self.generate(operation.clients, options)

    def load(self, clients, body, **options):
        return self.generate(clients, self.server.options("gql", "/graphql", body=self.bodies[body], **options))

    def generate(self, clients, options):
        meter = CpuMeter(self.meter_pids)
        (row,) = run_generator(self.load_program, f"secs={LOAD_SECONDS} conc={clients}", options)
        return row | {"cpu_us": meter.used_us() / max(1, row["n"])}

    def deliver(self, operation):
        """The CPU time is that of Partyline only, without the connecting of the subscribers."""
        options = self.server.options(
            "sms",
            "/graphql/ws",
            url=f"http://{self.server.address}{TEXT_PATH}",
            n=operation.clients,
            msgs=operation.count,
            query=self.bodies["subscription"],
            bearers=self.admins,
            post=self.server.address,
            postpath=TEXT_PATH,
        )
        (row,) = run_generator(self.fan_program, options)
        return row | {"errors": row["failed"] + row["missing"] + row["extra"]}


class Measurement:
    def __init__(self, kind, plan, partyline, generators, folder, seeded_folder):
        self.kind, self.plan, self.partyline, self.folder = kind, plan, partyline, folder
        self.seeded_folder = seeded_folder
        self.sites = []
        Site.load_program, Site.fan_program = generators / "load", generators / "fan"

    def run(self):
        """The rows of the results."""
        for messages in self.plan.sizes:
            self.sites.append(self.open(History(messages)))
        measured = {}
        # The first repetition warms the caches and does not count.
        for repetition in range(self.plan.repetitions + 1):
            log(f"  repetition {repetition} of {self.plan.repetitions}")
            for site in self.sites:
                site.use_new_contacts()
            for operation in OPERATIONS:
                for site in self.rotated(repetition):
                    with paused([other.server for other in self.sites if other is not site]):
                        row = site.measure(operation)
                    if row["errors"]:
                        errors, sample = row["errors"], row.get("sample", "")[:300]
                        log(f"  {operation.label}, {site.history.messages:,}: {errors} errors, such as {sample!r}")
                    if repetition:
                        measured.setdefault((operation.name, site.history.messages), []).append(row)
        return [result(*key, rows) for key, rows in measured.items()]

    def rotated(self, repetition):
        first = repetition % len(self.sites)
        return self.sites[first:] + self.sites[:first]

    def open(self, history):
        database = open_database(self.kind, history.messages, self.seeded_folder)
        partyline = Partyline(self.partyline, database.url, free_port(), self.folder)
        if database.exists():
            if database.value("SELECT COUNT(*) FROM thread") < history.messages // EACH:
                raise NotMeasured(f"the database for {history.messages} messages is incomplete: remove it")
        else:
            file = self.folder / "directory.yaml"
            file.write_text(directory(pool_of))
            database.create()
            partyline.create_agency(file)
            seed(database, history)
        return Site(database, history, partyline, self.folder)

    def stop(self):
        for site in self.sites:
            site.server.stop()


def result(name, messages, rows):
    values = medians(rows, ("cpu_us", "p50_ms", "p99_ms"))
    all_cpu = [round(row["cpu_us"], 1) for row in rows]
    errors = sum(row["errors"] for row in rows)
    return {"name": name, "messages": messages, "reps": len(rows), "errors": errors, **values, "all_cpu_us": all_cpu}
