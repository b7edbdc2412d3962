#!/usr/bin/env python3
"""Sends valid and invalid documents for the schema to a running server, with schemathesis.

    python tests/clients/python/fuzz.py --binary target/debug/partyline [--examples N] [--seed N]

Every query and every mutation is sent in N documents, once by an admin and once by a member. Some ids in them exist.
`fuzz_check.py` checks each response. The same seed generates the same documents. Exits with 1 if schemathesis finds a
violation; otherwise prints `N passed, 0 failed`.
"""

import argparse
import json
import sys

from fuzz_check import violation
from fuzzing import Fuzzer, main, texts
from partyline import Failure, Server, serving

SETTINGS = """
[generation.dictionaries]
integer = {{ dictionary = "pages", probability = 0.8 }}
string = {{ dictionary = "words", probability = 0.6 }}

[checks]
enabled = false
labelled.enabled = true
response_schema_conformance.enabled = true

[dictionaries]
pages = {{ values = [0, 1, 2, 25, 100, 101, -1, 2147483647] }}
words = {{ values = {words} }}
"""
# Everything that has an id or a cursor.
EVERYTHING = """
{
  agency { id }
  users { nodes { id assignments { id } } pageInfo { endCursor } }
  phoneNumbers { nodes { id pool { id } } }
  extensions { nodes { id digits } }
  contacts { nodes { id } }
  notifications { nodes { id } pageInfo { endCursor } }
  quarantinedMessages { nodes { id } }
  threads {
    nodes { id activity { nodes { id } } messages { nodes { id media { id } } pageInfo { endCursor } } }
    pageInfo { endCursor }
  }
}
"""
# Strings that resemble ids, cursors, digits, or search texts, and overlong ones.
ODD = ["", "0", "x", "9" * 25, "thr_", "msg_" + "0" * 32, "%_\\", "é", "👍", "a" * 300, "103", "911"]


def self_test() -> None:
    """Verifies the check itself: one that accepts everything would hide all defects."""
    error = {"message": "no", "extensions": {"code": "BAD_USER_INPUT"}}
    good = [{"data": {}}, {"errors": [error]}, {"data": None, "errors": [error]}]
    bad = [
        {},
        [],
        {"data": {}, "errors": []},
        {"errors": [{**error, "message": ""}]},
        {"errors": [{"message": "no"}]},
        {"errors": [error, {"message": "no", "extensions": {"code": "INTERNAL"}}]},
    ]
    if any(violation(200, answer) for answer in good):
        raise Failure("the check rejects a valid response")
    if not all(violation(200, answer) for answer in bad) or not violation(500, good[0]):
        raise Failure("the check accepts an invalid response")


def populate(server: Server) -> list[str]:
    """Creates sample data of each type in the agency; returns its ids and cursors."""
    for n in range(6):
        server.text(f"#10{n % 3} Hello, this is {n}", sender=f"+1303556000{n}", media=n % 2)
    server.text("To a number that nobody has", to="+13035550999")
    claim = "mutation($id: ID!) { claimThread(input: {threadId: $id}) { userErrors { code } } }"
    for thread in server.ask("{ threads(first: 3) { nodes { id } } }")["threads"]["nodes"]:
        server.ask(claim, {"id": thread["id"]})
    return sorted(set(texts(server.ask(EVERYTHING))))


def fuzz(binary: str, options: argparse.Namespace) -> int:
    """Sends the documents as an admin and as a member; returns the number of responses."""
    self_test()
    passed = 0
    with serving(binary, PARTYLINE_INTROSPECTION="on") as server:
        words = populate(server) + ODD
        # A JSON list of strings is also valid TOML, except for characters escaped as surrogate pairs.
        settings = SETTINGS.format(words=json.dumps(words, ensure_ascii=False))
        fuzzer = Fuzzer(server, "/graphql", "fuzz_check.py", options)
        for user in ("ana", "ben"):
            seen = fuzzer.run(user, server.token(user), settings, lambda counts: {"FUZZ_COUNTS": str(counts)})
            if seen["executed"] < seen["answers"] / 4:
                raise Failure("insufficient coverage: fewer than a quarter of the documents were executed")
            passed += seen["answers"]
    return passed


if __name__ == "__main__":
    sys.exit(main(__doc__, fuzz))
