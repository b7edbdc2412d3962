"""Checks that hold for every response of the API. Loaded by schemathesis, which `fuzz.py` starts."""

import atexit
import collections
import dataclasses
import json
import os
from random import Random

import graphql

CODES = {
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "BAD_USER_INPUT",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "QUERY_TOO_COMPLEX",
    "CURSOR_EXPIRED",
    "RATE_LIMITED",
    "RESUME",
}  # without INTERNAL: no request may cause an internal error


def violation(status: int, answer: object) -> str | None:
    """Describes the violation in a response; `None` if there is none."""
    if status >= 500:
        return f"HTTP {status}"
    if not isinstance(answer, dict):
        return "the answer is no object"
    errors = answer.get("errors")
    if "errors" in answer and (not isinstance(errors, list) or not errors):
        return "`errors` is there, but is no list with something in it"
    if "data" not in answer and not errors:
        return "there is neither `data` nor `errors`"
    for error in errors or []:
        if not error.get("message"):
            return f"an error without a message: {error}"
        if (code := error.get("extensions", {}).get("code")) not in CODES:
            return f"an error with the code {code}: {error}"
    return None


def without_most_arguments(document: graphql.DocumentNode, random: Random) -> graphql.DocumentNode:
    """The document without most of its optional arguments.

    schemathesis always passes all of them, but `first` and `last` exclude each other, and few strings are cursors.
    """

    class ArgumentFilter(graphql.Visitor):
        def enter_field(self, node, *_):
            kept = [one for one in node.arguments if one.name.value in ("id", "input") or random.random() < 0.3]
            return dataclasses.replace(node, arguments=tuple(kept))

    return graphql.visit(document, ArgumentFilter())


def register() -> None:
    """Registers the check with schemathesis and counts the responses by result."""
    import schemathesis
    from hypothesis import strategies as st
    from schemathesis.graphql import nodes

    counts = collections.Counter()
    # Numbers, strings that resemble numbers, and other values.
    phones = st.one_of(st.from_regex(r"\+1303555[0-9]{4}", fullmatch=True), st.from_regex(r"\+?[0-9]{0,20}"), st.text())
    schemathesis.graphql.scalar("PhoneE164", phones.map(nodes.String))
    dates = st.one_of(st.dates().map(str), st.from_regex(r"[0-9]{0,5}-[0-9]{0,3}-[0-9]{0,3}"), st.text())
    schemathesis.graphql.scalar("LocalDate", dates.map(nodes.String))
    times = st.one_of(st.from_regex(r"[0-2][0-9]:[0-5][0-9]", fullmatch=True), st.just("24:00"), st.text())
    schemathesis.graphql.scalar("LocalTime", times.map(nodes.String))

    @schemathesis.hook
    def flatmap_body(context, document):
        return st.randoms(use_true_random=True).map(lambda random: without_most_arguments(document, random))

    @schemathesis.check
    def labelled(ctx, response, case) -> None:
        answer = response.json()
        if (wrong := violation(response.status_code, answer)) is not None:
            raise AssertionError(wrong)
        counts["answers"] += 1
        counts["executed"] += answer.get("data") is not None
        counts.update(error["extensions"]["code"] for error in answer.get("errors", []))

    @atexit.register
    def report() -> None:
        with open(os.environ["FUZZ_COUNTS"], "w") as file:
            json.dump(counts, file)


if "FUZZ_COUNTS" in os.environ:
    register()
