#!/usr/bin/env python3
"""Sends valid and invalid requests for the OpenAPI document to a running server, with schemathesis.

    python tests/clients/python/fuzz_rest.py --binary target/debug/partyline [--examples N] [--seed N]

Every route is requested by an admin, by a member, and by the admin of another agency, who knows the first agency's ids.
No response has a status or body that the document does not describe; invalid requests are refused; requests without a
token are rejected; the other agency can neither see nor change data. The same seed generates the same requests. Exits
with 1 if there is a violation; otherwise prints `N passed, 0 failed`.
"""

import argparse
import json
import sys

from fuzz_rest_check import violation
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
# Values that no response to the other agency may contain.
ALL_IDS = """
{
  agency { id }
  users { nodes { id name assignments { id } } }
  phoneNumbers { nodes { id e164 pool { id } } }
  extensions { nodes { id } }
}
"""
# role, agency, user
USERS = [("admin", "acme", "ana"), ("member", "acme", "ben"), ("stranger", "other", "olga")]

ASSIGNMENTS = "/api/sms-numbers/agency/{agency}/assignments"
# Responses that must occur if coverage is sufficient.
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


def self_test() -> None:
    """Verifies the check itself: one that accepts everything would hide all defects."""
    error = json.dumps({"error": {"code": "INVALID", "message": "no"}})
    good = [("admin", "PATCH", 200, "{}"), ("member", "GET", 200, "{}"), ("member", "PATCH", 403, error)]
    good.append(("member", "POST /media", 201, "{}"))
    bad = [
        ("member", "DELETE", 204, ""),
        ("admin", "PATCH", 400, "{}"),
        ("admin", "PATCH", 400, '{"error": {"code": "INVALID"}}'),
        ("stranger", "GET", 200, '{"numbers": [{"id": "num_1"}]}'),
    ]
    if any(violation(*answer, ["num_1"]) for answer in good):
        raise Failure("the check rejects a valid response")
    if not all(violation(*answer, ["num_1"]) for answer in bad):
        raise Failure("the check accepts an invalid response")


def state(server: Server, agency: str, token: str) -> tuple[dict, dict]:
    """Returns the data of an agency that the routes can change."""
    return (
        server.get(f"/api/sms-numbers/agency/{agency}/assignments", token),
        server.get(f"/api/extensions/agency/{agency}", token),
    )


def run_as(fuzzer: Fuzzer, who: tuple[str, str, str], words: list[str]) -> int:
    """Sends requests as this user; returns the number of responses."""
    role, agency, user = who
    # All users send the ids of the first agency.
    known = {prefix: [word for word in words if word.startswith(prefix)] for prefix in ("usr_", "num_", "ext_")}
    known["agency"] = ["acme", *(word for word in words if word.startswith("agy_"))]
    given = {"role": role, "known": known, "secret": words if role == "stranger" else []}
    token = fuzzer.server.token(user, agency)
    seen = fuzzer.run(user, token, SETTINGS, lambda counts: {"FUZZ_REST": json.dumps(given | {"counts": str(counts)})})
    if missing := [answer for answer in EXPECTED[role] if not seen.get(answer)]:
        raise Failure(f"insufficient coverage: {user} never got {missing}")
    return seen["answers"]


def fuzz(binary: str, options: argparse.Namespace) -> int:
    """Sends requests as each user; returns the number of responses."""
    self_test()
    passed = 0
    with serving(binary) as server:
        server.command("apply", "-", given=OTHER)
        ana = server.token()
        words = sorted({word for word in texts(server.ask(ALL_IDS)) if len(word) > 6})
        fuzzer = Fuzzer(server, "/api/openapi.json", "fuzz_rest_check.py", options)
        for who in USERS:
            before = state(server, "acme", ana)
            passed += run_as(fuzzer, who, words)
            if who[0] != "admin" and state(server, "acme", ana) != before:
                raise Failure(f"{who[2]} has changed data of acme")
    return passed


if __name__ == "__main__":
    sys.exit(main(__doc__, fuzz))
