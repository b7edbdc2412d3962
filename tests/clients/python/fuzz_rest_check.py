"""Checks that hold for every REST response in addition to the OpenAPI document. Loaded by schemathesis, which
`fuzz_rest.py` starts."""

import atexit
import collections
import json
import os
import re
from random import Random

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
# The only operation with which a member may store something.
UPLOAD = "POST /media"
PREFIXES = {"userId": "usr_", "numberId": "num_", "remove": "usr_"}


def violation(role: str, operation: str, status: int, text: str, secret: list[str]) -> str | None:
    """Describes the violation in a response to a user with this role; `None` if there is none.

    The operation is the method and, if it matters, the path.
    """
    method = operation.split()[0]
    if any(word in text for word in secret):
        return "the answer has something of another agency's in it"
    if status < 400:
        is_forbidden = role == "member" and method in WRITES and operation != UPLOAD
        return "a member has changed something" if is_forbidden else None
    if not text or method == "HEAD":
        return None
    error = json.loads(text).get("error")
    if not isinstance(error, dict) or set(error) != {"code", "message"} or not error["message"]:
        return f"an error with another schema: {text[:200]}"
    return None


def with_known_ids(value: object, known: dict[str, list[str]], random: Random, field: str = "") -> object:
    """The body with most generated ids replaced by existing ones.

    Values that are not ids stay unchanged; they are meant to be refused.
    """
    if isinstance(value, dict):
        return {name: with_known_ids(inner, known, random, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_known_ids(inner, known, random, field) for inner in value]
    prefix = PREFIXES.get(field)
    if prefix and is_id(prefix, value) and random.random() < 0.8:
        return random.choice(known[prefix])
    return value


def is_id(prefix: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(f"{prefix}[0-9a-f]{{32}}", value) is not None


def register() -> None:
    """Registers the check with schemathesis and counts the responses by result."""
    import schemathesis
    from hypothesis import strategies as st

    given = json.loads(os.environ["FUZZ_REST"])
    known = given["known"]
    counts = collections.Counter()

    @schemathesis.hook
    def flatmap_body(context, body):
        return st.randoms(use_true_random=False).map(lambda random: with_known_ids(body, known, random))

    @schemathesis.hook
    def flatmap_path_parameters(context, parameters):
        def of(random: Random):
            if not isinstance(parameters, dict) or random.random() < 0.3:
                return parameters
            if is_id("ext_", parameters.get("id")):
                return {"id": random.choice(known["ext_"])}
            if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", str(parameters.get("agency", ""))):
                return {"agency": random.choice(known["agency"])}
            return parameters

        return st.randoms(use_true_random=False).map(of)

    @schemathesis.check
    def kept(ctx, response, case) -> None:
        operation = f"{case.method} {case.operation.path}"
        wrong = violation(given["role"], operation, response.status_code, response.text, given["secret"])
        if wrong is not None:
            raise AssertionError(wrong)
        counts["answers"] += 1
        counts[f"{operation} {response.status_code}"] += 1

    @atexit.register
    def report() -> None:
        with open(given["counts"], "w") as file:
            json.dump(counts, file)


if "FUZZ_REST" in os.environ:
    register()
