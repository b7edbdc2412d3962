#!/usr/bin/env python3
"""Asks a running server whatever its schema allows, and much that it does not, by way of schemathesis.

    python tests/clients/python/fuzz.py --binary target/debug/partyline [--examples N] [--seed N]

Every query and every mutation is asked with N documents, once by an admin and once by a member. The ids in them are
now and then ones that exist. What must hold of each answer is in `fuzz_check.py`. The same seed makes the same
documents. Ends with 1 if schemathesis finds anything; otherwise prints `N passed, 0 failed`.
"""

import argparse
import json
import sys

from fuzz_check import complaint
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
# Whatever has an id or a place in a list.
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
# What is almost an id, a cursor, digits or a search, or too much of it.
ODD = ["", "0", "x", "9" * 25, "thr_", "msg_" + "0" * 32, "%_\\", "é", "👍", "a" * 300, "103", "911"]


def check_the_check() -> None:
    """A check that lets everything pass looks like a server without faults."""
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
    if any(complaint(200, answer) for answer in good):
        raise Failure("the check complains of a good answer")
    if not all(complaint(200, answer) for answer in bad) or not complaint(500, good[0]):
        raise Failure("the check lets a bad answer pass")


def furnish(server: Server) -> list[str]:
    """Puts something of each kind into the agency; its ids, and cursors of its pages."""
    for n in range(6):
        server.text(f"#10{n % 3} Hello, this is {n}", sender=f"+1303556000{n}", media=n % 2)
    server.text("To a number that nobody has", to="+13035550999")
    claim = "mutation($id: ID!) { claimThread(input: {threadId: $id}) { userErrors { code } } }"
    for thread in server.ask("{ threads(first: 3) { nodes { id } } }")["threads"]["nodes"]:
        server.ask(claim, {"id": thread["id"]})
    return sorted(set(texts(server.ask(EVERYTHING))))


def fuzz(binary: str, options: argparse.Namespace) -> int:
    """Asks as an admin and as a member; how many answers there were, all of them good."""
    check_the_check()
    passed = 0
    with serving(binary, PARTYLINE_INTROSPECTION="on") as server:
        words = furnish(server) + ODD
        # A list of texts in JSON is TOML, too; only not with characters as pairs of surrogates.
        settings = SETTINGS.format(words=json.dumps(words, ensure_ascii=False))
        fuzzer = Fuzzer(server, "/graphql", "fuzz_check.py", options)
        for user in ("ana", "ben"):
            seen = fuzzer.ask(user, server.token(user), settings, lambda counts: {"FUZZ_COUNTS": str(counts)})
            if seen["executed"] < seen["answers"] / 4:
                raise Failure("fewer than a quarter of the documents were executed: too little was tried")
            passed += seen["answers"]
    return passed


if __name__ == "__main__":
    sys.exit(main(__doc__, fuzz))
