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
import os
import subprocess
import sys
from pathlib import Path

from fuzz_rest_check import complaint
from partyline import Failure, Server, serving

HERE = Path(__file__).resolve().parent
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
SECONDS = 300  # for one user; with the usual number of examples it takes a tenth of that
CONFIG = """
hooks = {hooks}
seed = {seed}
color = false
warnings = false  # that members and strangers are refused is as it should be
continue-on-failure = true
headers = {{ Authorization = {authorization} }}
request-timeout = 20

[generation]
max-examples = {examples}
database = "none"

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


def texts(value: object):
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def fuzz(server: Server, who: tuple[str, str, str], words: list[str], options: argparse.Namespace) -> int:
    """Asks as that user; how many answers there were, all of them good."""
    role, agency, user = who
    folder = server.folder / f"fuzz-rest-{user}"
    folder.mkdir()
    config, counts = folder / "schemathesis.toml", folder / "counts.json"
    token = server.token(user, agency)
    # A JSON text is TOML, too.
    written = {"hooks": json.dumps(str(HERE / "fuzz_rest_check.py")), "authorization": json.dumps(f"Bearer {token}")}
    config.write_text(CONFIG.format(seed=options.seed, examples=options.examples, **written))
    # Everybody asks with the ids of the first agency.
    known = {prefix: [word for word in words if word.startswith(prefix)] for prefix in ("usr_", "num_", "ext_")}
    known["agency"] = ["acme", *(word for word in words if word.startswith("agy_"))]
    given = {"role": role, "known": known, "counts": str(counts), "secret": words if role == "stranger" else []}
    command = [SCHEMATHESIS, f"--config-file={config}", "run", f"{server.origin}/api/openapi.json"]
    environment = os.environ | {"FUZZ_REST": json.dumps(given)}
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=SECONDS)
    if done.returncode != 0:
        raise Failure(f"schemathesis ended with {done.returncode}; again with --seed {options.seed}")
    seen = json.loads(counts.read_text())
    print(f"answers to {user}: {seen}", flush=True)
    if missing := [answer for answer in EXPECTED[role] if not seen.get(answer)]:
        raise Failure(f"too little was tried: {user} never got {missing}")
    return seen["answers"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/partyline")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    passed = 0
    try:
        check_the_check()
        with serving(str(Path(options.binary).resolve())) as server:
            server.command("apply", "-", given=OTHER)
            ana = server.token()
            words = sorted({word for word in texts(server.ask(EVERYTHING)) if len(word) > 6})
            for who in WHO:
                before = state(server, "acme", ana)
                passed += fuzz(server, who, words, options)
                if who[0] != "admin" and state(server, "acme", ana) != before:
                    raise Failure(f"{who[2]} has changed something of acme's")
    except (Failure, OSError, subprocess.SubprocessError) as error:
        sys.stdout.flush()
        print(f"fuzz_rest: {error}", file=sys.stderr)
        return 1
    print(f"{passed} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
