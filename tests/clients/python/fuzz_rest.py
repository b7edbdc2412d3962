#!/usr/bin/env python3
"""Asks a running server's REST routes whatever their document allows, and much that it does not, by schemathesis.

    python tests/clients/python/fuzz_rest.py --binary target/debug/partyline [--examples N] [--seed N]

Every route is asked by an admin, by a member, and by the admin of another agency who knows the first one's ids.
Nothing answers 5xx or anything else that the document does not say; what is not of the document's shape is refused;
nobody gets anything without a token; the other agency sees and changes nothing. The same seed makes the same requests.
Ends with 1 if anything is found; otherwise prints `N passed, 0 failed`.
"""

import argparse
import json
import sys

from fuzz_rest_check import complaint
from fuzzing import Fuzzer, main, texts
from partyline import Failure, Server, serving

SETTINGS = """
[checks]
enabled = false
kept.enabled = true
not_a_server_error.enabled = true
status_code_conformance.enabled = true
content_type_conformance.enabled = true
response_schema_conformance.enabled = true
negative_data_rejection.enabled = true
unsupported_method.enabled = true
allow_header_conformance.enabled = true
ignored_auth.enabled = true
"""
OTHER = """
agencies:
  - key: other
    name: Other Agency
    timeZone: Europe/Berlin
    twilio: {accountSid: AC00000000000000000000000000000002, authToken: fedcba9876543210fedcba9876543210}
    users: [{key: olga, name: Olga Orlova, role: ADMIN}, {key: otto, name: Otto Ohm}]
    phoneNumbers: [{number: "+14155550100", label: Other, pool: [{user: olga}]}]
    extensions: [{digits: "201", user: otto}]
"""
# Of which every answer to the other agency must be free.
EVERYTHING = """
{
  agency { id }
  users { nodes { id name assignments { id } } }
  phoneNumbers { nodes { id e164 pool { id } } }
  extensions { nodes { id } }
}
"""
# role, agency, user
WHO = [("admin", "acme", "ana"), ("member", "acme", "ben"), ("stranger", "other", "olga")]

ASSIGNMENTS = "/api/sms-numbers/agency/{agency}/assignments"
# What is among the answers unless too little was tried.
EXPECTED = {
    "admin": [
        f"PATCH {ASSIGNMENTS} 200",
        "POST /api/extensions 201",
        "POST /api/extensions 409",
        "PATCH /api/extensions/{id} 200",
        "DELETE /api/extensions/{id} 204",
    ],
    "member": [f"GET {ASSIGNMENTS} 200", "POST /api/extensions 403"],
    "stranger": [f"GET {ASSIGNMENTS} 404", f"PATCH {ASSIGNMENTS} 404", "DELETE /api/extensions/{id} 404"],
}


def check_the_check() -> None:
    """A check that lets everything pass looks like a server without faults."""
    error = json.dumps({"error": {"code": "INVALID", "message": "no"}})
    good = [("admin", "PATCH", 200, "{}"), ("member", "GET", 200, "{}"), ("member", "PATCH", 403, error)]
    bad = [
        ("member", "DELETE", 204, ""),
        ("admin", "PATCH", 400, "{}"),
        ("admin", "PATCH", 400, '{"error": {"code": "INVALID"}}'),
        ("stranger", "GET", 200, '{"numbers": [{"id": "num_1"}]}'),
    ]
    if any(complaint(*answer, ["num_1"]) for answer in good):
        raise Failure("the check complains of a good answer")
    if not all(complaint(*answer, ["num_1"]) for answer in bad):
        raise Failure("the check lets a bad answer pass")


def state(server: Server, agency: str, token: str) -> tuple[dict, dict]:
    """What the routes can change of an agency."""
    return (
        server.get(f"/api/sms-numbers/agency/{agency}/assignments", token),
        server.get(f"/api/extensions/agency/{agency}", token),
    )


def ask(fuzzer: Fuzzer, who: tuple[str, str, str], words: list[str]) -> int:
    """Asks as that user; how many answers there were, all of them good."""
    role, agency, user = who
    # Everybody asks with the ids of the first agency.
    known = {prefix: [word for word in words if word.startswith(prefix)] for prefix in ("usr_", "num_", "ext_")}
    known["agency"] = ["acme", *(word for word in words if word.startswith("agy_"))]
    given = {"role": role, "known": known, "secret": words if role == "stranger" else []}
    token = fuzzer.server.token(user, agency)
    seen = fuzzer.ask(user, token, SETTINGS, lambda counts: {"FUZZ_REST": json.dumps(given | {"counts": str(counts)})})
    if missing := [answer for answer in EXPECTED[role] if not seen.get(answer)]:
        raise Failure(f"too little was tried: {user} never got {missing}")
    return seen["answers"]


def fuzz(binary: str, options: argparse.Namespace) -> int:
    """Asks as each of them; how many answers there were, all of them good."""
    check_the_check()
    passed = 0
    with serving(binary) as server:
        server.command("apply", "-", given=OTHER)
        ana = server.token()
        words = sorted({word for word in texts(server.ask(EVERYTHING)) if len(word) > 6})
        fuzzer = Fuzzer(server, "/api/openapi.json", "fuzz_rest_check.py", options)
        for who in WHO:
            before = state(server, "acme", ana)
            passed += ask(fuzzer, who, words)
            if who[0] != "admin" and state(server, "acme", ana) != before:
                raise Failure(f"{who[2]} has changed something of acme's")
    return passed


if __name__ == "__main__":
    sys.exit(main(__doc__, fuzz))
