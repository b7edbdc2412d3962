"""Measures the running servers with the generators.

The repetitions of the servers are interleaved, so that a slow minute of the machine affects all of them, and each
result is the median of the repetitions. A result is a dictionary; README.md lists its fields.
"""

import json
import statistics
import subprocess
import sys

from servers import NotMeasured

TEXT_PATH = "/api/twilio/webhook"
CALL_PATH = "/api/twilio/voice/inbound"
BARE_PATH = "/bare"
PEERS = ("yoga", "mercurius")

INBOX = {
    "query": "query { threads(first: 50) { nodes { id status unreadCount phoneNumber { label } contact { name phone } "
    "lastMessage { body createdAt direction } assignee { name } } } }"
}
CLAIM = {
    "query": "mutation($t: ID!) { claimThread(input: {threadId: $t}) "
    "{ thread { id assignee { name } } userErrors { code } } }",
    "variables": {"t": "$ID"},
}
SUBSCRIPTION = {
    "query": "subscription { inboundMessage "
    "{ cursor message { id body createdAt } thread { id status contact { phone } } } }"
}
UNCLAIMED = (
    "query($a: String) { threads(first: 100, after: $a, filter: {status: [UNCLAIMED]}) "
    "{ nodes { id } pageInfo { hasNextPage endCursor } } }"
)

GENERATOR_TIMEOUT = 300
LOAD_FIELDS = ("rps", "p50_ms", "p99_ms", "cpu_us", "bytes", "ids_won", "ids_sent", "max_wins")
CLAIM_FIELDS = ("rps", "p50_ms", "p99_ms", "cpu_us")
DELIVERY_FIELDS = ("p50_ms", "p99_ms", "last_ms", "cpu_us", "idle_kib", "kib_after", "connect_per_s", "frame")
DELIVERY_COUNTS = ("delivered", "expected", "missing", "extra")


def log(message):
    print(message, file=sys.stderr, flush=True)


def run_generator(*command):
    """The lines of JSON that a generator prints."""
    command = [str(argument) for argument in command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GENERATOR_TIMEOUT)
    if done.returncode:
        raise NotMeasured(f"{command[0]} failed: {done.stderr[-600:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def medians(measurements, fields):
    """The median of each field, over the measurements that have it."""
    result = {}
    for field in fields:
        values = [measurement[field] for measurement in measurements if measurement.get(field) is not None]
        result[field] = statistics.median(values) if values else None
    return result


def first_sample(measurements):
    """The first response that was an error."""
    return next((measurement["sample"] for measurement in measurements if measurement.get("sample")), "")


class Sizes:
    """How much is measured; `short` gives a rough picture in less than a minute."""

    def __init__(self, short=False, repetitions=5, seconds=1.5):
        self.short = short
        self.repetitions = 2 if short else repetitions
        self.seconds = 0.6 if short else seconds
        self.text_repetitions = 3 if short else self.repetitions
        self.text_connections = [1, 64] if short else [1, 16, 64]
        self.raw_batches = [64] if short else [1, 64]
        self.raw_seconds = 0.5 if short else 1
        self.call_connections = [64] if short else [1, 16, 64]
        self.inbox_connections = [16] if short else [1, 16]
        self.inbox_texts = 2000 if short else 20000
        self.claim_rounds = self.repetitions
        self.claims_per_round = 100 if short else 200
        self.subscribers = [1000] if short else [1000, 10000]
        self.delivered_texts = 8 if short else 10

    def delivery_repetitions(self, subscribers):
        if self.short:
            return 1
        return 3 if subscribers > 1000 else self.repetitions


class Measurement:
    """Measures one part after the other and collects the results."""

    PARTS = ("sms", "voice", "inbox", "claim", "fan")

    def __init__(self, servers, sizes, folder):
        self.servers, self.sizes, self.folder = servers, sizes, folder
        self.load, self.fan, self.limit = (servers.programs.generators / name for name in ("load", "fan", "limit"))
        self.results = []
        self.inbox_body, self.claim_body, self.subscription_body = (
            self.body_file(name, body)
            for name, body in (("inbox", INBOX), ("claim", CLAIM), ("subscription", SUBSCRIPTION))
        )

    def body_file(self, name, body):
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(body, separators=(",", ":")))
        return file

    def run(self, parts):
        self.servers.start("partyline")
        if {"sms", "voice", "inbox"} & set(parts):
            self.servers.start("limit")
        for peer in PEERS:
            self.servers.start(peer)
        for part in self.PARTS:
            if part in parts:
                log(f"{part} …")
                self.run_part(part, parts)
                self.servers.check_that_all_run()

    def run_part(self, part, parts):
        if part == "sms":
            self.measure_texts()
        elif part == "voice":
            self.measure_calls()
        elif part == "inbox":
            self.measure_inbox()
        elif part == "claim":
            if "inbox" not in parts:
                self.store_texts(5000)
            self.servers.stop("limit")
            self.measure_claims()
        else:
            self.servers.stop_all()
            self.measure_deliveries()

    def measure_load(self, part, connections, endpoints, repetitions=None, extra=None):
        """Measures the endpoints with each number of connections. The order rotates with each repetition, and `extra`
        measures something else at the end of it."""
        measured = {}
        options = f"secs={self.sizes.seconds} conc="
        for repetition in range(repetitions or self.sizes.repetitions):
            first = repetition % len(endpoints)
            order = endpoints[first:] + endpoints[:first]
            rows = [row for count in connections for row in run_generator(self.load, f"{options}{count}", *order)]
            for row in rows + (extra() if extra else []):
                measured.setdefault((row["name"], row.get("c", 0)), []).append(row)
        for (name, count), rows in measured.items():
            result = {
                "part": part,
                "name": name,
                "c": count,
                "reps": len(rows),
                "errors": sum(row["errors"] for row in rows),
                "sample": first_sample(rows),
                **medians(rows, LOAD_FIELDS),
                "all_rps": [round(row["rps"]) for row in rows],
            }
            self.results.append(result)
            if result["errors"]:
                log(f"  {part} {name}, {count} clients: {result['errors']} errors, such as {result['sample'][:200]!r}")

    def measure_texts(self):
        endpoints = [self.servers[name].options("sms", TEXT_PATH) for name in ("partyline", "limit", *PEERS)]

        def raw():
            database, seconds = self.folder / "raw.db", self.sizes.raw_seconds
            batches = self.sizes.raw_batches
            return [row for batch in batches for row in run_generator(self.limit, "sql", database, seconds, batch)]

        self.measure_load("sms", self.sizes.text_connections, endpoints, self.sizes.text_repetitions, raw)

    def measure_calls(self):
        """The peers do not store calls, so only the raw server is beside Partyline."""
        endpoints = [
            self.servers["partyline"].options("voice", CALL_PATH),
            self.servers["limit"].options("voice", BARE_PATH),
        ]
        self.measure_load("voice", self.sizes.call_connections, endpoints)

    def store_texts(self, count):
        for server in self.servers.running.values():
            run_generator(self.load, "secs=120 conc=64", server.options("sms", TEXT_PATH, count=count))

    def measure_inbox(self):
        self.store_texts(self.sizes.inbox_texts)
        for name in ("partyline", *PEERS):
            self.check_inbox(self.servers[name])
        names = ("partyline", "limit", *PEERS)
        endpoints = [self.servers[name].options("gql", "/graphql", body=self.inbox_body) for name in names]
        self.measure_load("inbox", self.sizes.inbox_connections, endpoints)

    def check_inbox(self, server):
        """The response must have 50 complete threads before its speed counts."""
        response = server.graphql(INBOX)
        threads = (response.get("data") or {}).get("threads", {}).get("nodes", [])
        complete = all(
            thread["lastMessage"]["body"] and thread["phoneNumber"]["label"] and thread["contact"]["phone"]
            for thread in threads
        )
        if response.get("errors") or len(threads) != 50 or not complete:
            raise NotMeasured(f"{server.name}: the inbox is incomplete: {json.dumps(response)[:300]}")

    def measure_claims(self):
        """Each thread is claimed by 16 connections at once, which use the tokens of different users."""
        rounds, size = self.sizes.claim_rounds, self.sizes.claims_per_round
        threads = {name: self.unclaimed_threads(name, rounds * size) for name in ("partyline", *PEERS)}
        measured = {}
        ids = self.folder / "ids"
        for number in range(rounds):
            for name, all_ids in threads.items():
                ids_of_round = all_ids[number * size : (number + 1) * size]
                if not ids_of_round:
                    continue
                ids.write_text("\n".join(ids_of_round) + "\n")
                endpoint = self.servers[name].options("gql", "/graphql", body=self.claim_body, ids=ids)
                measured.setdefault(name, []).extend(run_generator(self.load, "secs=30 conc=16", endpoint))
        for name, rows in measured.items():
            self.results.append(
                {
                    "part": "claim",
                    "name": name,
                    "c": 16,
                    "reps": len(rows),
                    "errors": sum(row["errors"] for row in rows),
                    "sample": first_sample(rows),
                    **medians(rows, CLAIM_FIELDS),
                    "raced": sum(row["ids_sent"] for row in rows),
                    "won": sum(row["ids_won"] for row in rows),
                    "max_wins": max(row["max_wins"] or 0 for row in rows),
                }
            )

    def unclaimed_threads(self, name, count):
        ids, after = [], None
        while len(ids) < count:
            response = self.servers[name].graphql({"query": UNCLAIMED, "variables": {"a": after}})
            if "errors" in response:
                raise NotMeasured(f"{name}: threads: {response['errors']}")
            page = response["data"]["threads"]
            ids += [thread["id"] for thread in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        return ids[:count]

    def measure_deliveries(self):
        """Each repetition starts its server again, because memory per subscriber is measured too."""
        for subscribers in self.sizes.subscribers:
            names = ["partyline", "limit"] + (["yoga"] if subscribers <= 1000 else [])
            measured = {}
            for _ in range(self.sizes.delivery_repetitions(subscribers)):
                for name in names:
                    server = self.servers.start(name)
                    options = server.options(
                        "sms",
                        "/graphql/ws",
                        addr=server.fan_address,
                        url=f"http://{server.address}{TEXT_PATH}",
                        n=subscribers,
                        msgs=self.sizes.delivered_texts,
                        query=self.subscription_body,
                        bearers=server.tokens or self.servers.peer_tokens,
                        post=server.address,
                        postpath=TEXT_PATH,
                    )
                    measured.setdefault(name, []).extend(run_generator(self.fan, options))
                    self.servers.stop(name)
            for name, rows in measured.items():
                self.add_delivery(subscribers, name, rows)

    def add_delivery(self, subscribers, name, rows):
        result = {
            "part": f"fan {subscribers}",
            "name": name,
            "reps": len(rows),
            "errors": sum(row["failed"] for row in rows),
            "sample": first_sample(rows),
            **medians(rows, DELIVERY_FIELDS),
            **{field: sum(row[field] for row in rows) for field in DELIVERY_COUNTS},
        }
        self.results.append(result)
        if result["errors"] or result["missing"]:
            missing, errors, sample = result["missing"], result["errors"], result["sample"][:200]
            log(f"  {subscribers} subscribers, {name}: {missing} missing, {errors} failed, such as {sample!r}")
