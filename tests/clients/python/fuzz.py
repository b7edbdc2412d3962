#!/usr/bin/env python3
"""Asks a running server whatever its schema allows, and much that it does not, by way of schemathesis.

    python tests/clients/python/fuzz.py --binary target/debug/partyline [--examples N] [--seed N]

Every query and every mutation is asked with N documents, once by an admin and once by a member. The ids in them are
now and then ones that exist. What must hold of each answer is in `fuzz_check.py`. The same seed makes the same
documents. Ends with 1 if schemathesis finds anything; otherwise prints `N passed, 0 failed`.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from fuzz_check import complaint
from partyline import Failure, Server, serving

HERE = Path(__file__).resolve().parent
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
SECONDS = 300  # for one user; with the usual number of examples it takes a sixth of that
CONFIG = """
hooks = {hooks}
seed = {seed}
color = false
continue-on-failure = true
headers = {{ Authorization = {authorization} }}
request-timeout = 20

[generation]
max-examples = {examples}
database = "none"

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


def texts(value: object):
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def fuzz(server: Server, user: str, words: list[str], options: argparse.Namespace) -> int:
    """Asks as that user; how many answers there were, all of them good."""
    folder = server.folder / f"fuzz-{user}"
    folder.mkdir()
    config, counts = folder / "schemathesis.toml", folder / "counts.json"
    # A JSON text, or a list of them, is TOML, too; only not with characters as pairs of surrogates.
    written = {
        "hooks": json.dumps(str(HERE / "fuzz_check.py")),
        "authorization": json.dumps(f"Bearer {server.token(user)}"),
        "words": json.dumps(words, ensure_ascii=False),
    }
    config.write_text(CONFIG.format(seed=options.seed, examples=options.examples, **written))
    command = [SCHEMATHESIS, f"--config-file={config}", "run", f"{server.origin}/graphql"]
    environment = os.environ | {"FUZZ_COUNTS": str(counts)}
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=SECONDS)
    if done.returncode != 0:
        raise Failure(f"schemathesis ended with {done.returncode}; again with --seed {options.seed}")
    seen = json.loads(counts.read_text())
    print(f"answers to {user}: {seen}", flush=True)
    if seen["executed"] < seen["answers"] / 4:
        raise Failure("fewer than a quarter of the documents were executed: too little was tried")
    return seen["answers"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/partyline")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        check_the_check()
        with serving(str(Path(options.binary).resolve()), PARTYLINE_INTROSPECTION="on") as server:
            words = furnish(server) + ODD
            passed = sum(fuzz(server, user, words, options) for user in ("ana", "ben"))
    except (Failure, OSError, subprocess.SubprocessError) as error:
        sys.stdout.flush()
        print(f"fuzz: {error}", file=sys.stderr)
        return 1
    print(f"{passed} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
