"""The targets of the comparison. A target of a part that was not measured is left out."""

import operator
from dataclasses import dataclass

PEERS = {"yoga": "GraphQL Yoga", "mercurius": "Mercurius"}
COMPARISONS = {"≥": operator.ge, "≤": operator.le}


@dataclass
class Target:
    text: str
    value: float | None  # None if the part was measured and gave no value, which misses the target
    comparison: str
    limit: float
    unit: str

    @property
    def met(self):
        return self.value is not None and COMPARISONS[self.comparison](self.value, self.limit)


class Targets:
    def __init__(self, results):
        self.results, self.targets = results, []

    def add(self, text, value, comparison, limit, unit=""):
        self.targets.append(Target(text, value, comparison, limit, unit))

    def ratio(self, text, part, clients, other, comparison, limit, field="rps"):
        """Partyline's value divided by that of another row, which is a name or a name with its own number of clients."""
        name, other_clients = other if isinstance(other, tuple) else (other, clients)
        own, peer = self.results.row(part, "partyline", clients), self.results.row(part, name, other_clients)
        if own and peer:
            value = own[field] / peer[field] if own.get(field) and peer.get(field) else None
            self.add(text, value, comparison, limit, "×")

    def absolute(self, text, part, clients, field, comparison, limit, unit=""):
        if own := self.results.row(part, "partyline", clients):
            self.add(text, own.get(field), comparison, limit, unit)

    def texts(self):
        self.ratio("texts, 64 clients ÷ raw batches behind a bare route", "sms", 64, "limit", "≥", 0.5)
        for clients, limit in ((1, 1), (16, 1.5), (64, 2.5)):
            for name, label in PEERS.items():
                plural = "client" if clients == 1 else "clients"
                self.ratio(f"texts, {clients} {plural} ÷ {label}", "sms", clients, name, "≥", limit)
        self.ratio("CPU per text, 64 clients ÷ GraphQL Yoga", "sms", 64, "yoga", "≤", 0.55, "cpu_us")
        self.absolute("p99 of a text, 64 clients, on a quiet disk", "sms", 64, "p99_ms", "≤", 25, "ms")
        raw = ("raw SQLite, batch 1", 0)
        self.ratio("p50 of a text, 1 client ÷ a raw transaction", "sms", 1, raw, "≤", 2, "p50_ms")
        self.absolute("texts with errors, 64 clients", "sms", 64, "errors", "≤", 0)

    def calls(self):
        text = "calls, 64 clients, with their rows ÷ a bare signed route"
        self.ratio(text, "voice", 64, "limit", "≥", 0.25)
        self.ratio("CPU per call, 64 clients ÷ a bare signed route", "voice", 64, "limit", "≤", 4.5, "cpu_us")

    def inbox(self):
        for clients in (1, 16):
            plural = "client" if clients == 1 else "clients"
            text = f"inbox, {clients} {plural} ÷"
            self.ratio(f"{text} one SQL statement and serde", "inbox", clients, "limit", "≥", 0.5)
            self.ratio(f"{text} Mercurius", "inbox", clients, "mercurius", "≥", 2)
            self.ratio(f"{text} GraphQL Yoga", "inbox", clients, "yoga", "≥", 5)

    def claims(self):
        row = self.results.row("claim", "partyline", 16)
        if not row:
            return
        self.add("claims: most winners of one thread", row["max_wins"], "≤", 1)
        self.add("claims: threads with a winner ÷ threads", row["won"] / max(1, row["raced"]), "≥", 1, "×")
        self.add("claims: errors", row["errors"], "≤", 0)

    def deliveries(self):
        for subscribers in (1000, 10000):
            part = f"fan {subscribers}"
            row = self.results.row(part, "partyline")
            if not row:
                continue
            failures = row["missing"] + row["extra"] + row["errors"]
            text = f"{subscribers:,} subscribers"
            self.add(f"{text}: deliveries that are missing, duplicate or failed", failures, "≤", 0)
            if subscribers == 1000:
                self.absolute(f"{text}: p99 after the response to Twilio", part, None, "p99_ms", "≤", 25, "ms")
                self.ratio(f"{text}: CPU per delivery ÷ raw write loop", part, None, "limit", "≤", 2, "cpu_us")
                self.ratio(f"{text}: p99 ÷ GraphQL Yoga", part, None, "yoga", "≤", 1 / 3, "p99_ms")
            else:
                self.absolute(f"{text}: last after the response to Twilio", part, None, "last_ms", "≤", 200, "ms")
                self.absolute(f"{text}: memory per idle subscriber", part, None, "idle_kib", "≤", 6, "KiB")


def targets_of(results):
    targets = Targets(results)
    targets.texts()
    targets.calls()
    targets.inbox()
    targets.claims()
    targets.deliveries()
    return targets.targets
