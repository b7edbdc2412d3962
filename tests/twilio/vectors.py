#!/usr/bin/env python3
"""Signatures computed by Twilio's official Python helper, for the unit tests of Partyline's own implementation.

    vectors.py            prints the vectors, which must equal tests/twilio/vectors.json
    vectors.py --write    writes that file

Each vector is {name, url, params, authToken, signature}. `url` is the signed URL: the URL configured at Twilio with the
raw query. `params` are the decoded form fields as pairs, in the order in which they were posted. A key may occur more
than once; the helper then signs each distinct value once, in sorted order.
"""

import json
import sys
from pathlib import Path

from twilio.request_validator import RequestValidator

FILE = Path(__file__).with_name("vectors.json")
TOKEN = "0123456789abcdef0123456789abcdef"
OTHER_TOKEN = "fedcba9876543210fedcba9876543210"
HOOK = "https://partyline.example/api/twilio/webhook"


class FormFields(list):
    """Form fields with repeated keys, in the form in which a web framework passes them to the helper."""

    def __iter__(self):
        return (key for key, _ in self.pairs())

    def pairs(self):
        return super().__iter__()

    def getall(self, wanted):
        return [value for key, value in self.pairs() if key == wanted]


def text(body, *more):
    """The fields of an ordinary inbound text, not in sorted order."""
    return [
        ("ToCountry", "US"),
        ("MessageSid", "SM0123456789abcdef0123456789abcdef"),
        ("NumMedia", "0"),
        ("Body", body),
        ("To", "+13035550100"),
        ("From", "+13035560001"),
        ("AccountSid", "AC00000000000000000000000000000001"),
        *more,
    ]


CASES = [
    ("an ordinary text", HOOK, text("Hello"), TOKEN),
    ("the other token", HOOK, text("Hello"), OTHER_TOKEN),
    ("no fields at all", HOOK, [], TOKEN),
    ("an empty body", HOOK, text(""), TOKEN),
    ("several empty values", HOOK, text("Hi", ("FromCity", ""), ("FromState", ""), ("FromZip", "")), TOKEN),
    ("letters beyond ASCII", HOOK, text("Grüße aus Köln, ¿qué tal? Здравствуйте 你好 שלום"), TOKEN),
    ("emoji with a joiner and a skin tone", HOOK, text("👩‍⚕️👍🏽 see you"), TOKEN),
    ("a letter composed and decomposed", HOOK, text("é e\u0301"), TOKEN),
    ("plus signs and spaces", HOOK, text("1 + 1 = 2, + ++  "), TOKEN),
    ("ampersand, equals, percent, hash", HOOK, text("a=b&c=d%20&&==100%#?/;"), TOKEN),
    ("quotes, backslash, angle brackets", HOOK, text("\"it's\" <b>\\n</b>"), TOKEN),
    ("line ends", HOOK, text("one\ntwo\r\nthree\r\ttab"), TOKEN),
    ("white space at both ends", HOOK, text("  kept \n"), TOKEN),
    ("a NUL inside", HOOK, text("before\0after"), TOKEN),
    ("the longest body", HOOK, text("0123456789abcde " * 100), TOKEN),
    ("a repeated key", HOOK, text("Hi", ("Tag", "b"), ("Tag", "a"), ("Tag", "c")), TOKEN),
    ("a repeated key with equal values", HOOK, text("Hi", ("Tag", "b"), ("Tag", "a"), ("Tag", "b"), ("Tag", "a")), TOKEN),
    ("a repeated key with an empty value", HOOK, text("Hi", ("Tag", "x"), ("Tag", "")), TOKEN),
    ("repeated values sort by code point", HOOK, text("Hi", ("Tag", "👍"), ("Tag", "\uff5e"), ("Tag", "Z"), ("Tag", "a")), TOKEN),
    ("keys sort by code point, capitals first", HOOK, [("b", "2"), ("B", "1"), ("a", "4"), ("_", "3"), ("A1", "5"), ("A", "6")], TOKEN),
    ("one key the beginning of another", HOOK, [("MediaUrl10", "x"), ("MediaUrl1", "y"), ("MediaUrl0", "z"), ("MediaUrl", "")], TOKEN),
    ("a key that needs encoding", HOOK, text("Hi", ("Key with space & sign", "v")), TOKEN),
    ("pictures", HOOK, text("", ("MediaContentType0", "image/jpeg"), ("MediaUrl0", "https://media.example/a?b=c&d=e%20f")), TOKEN),
    ("a sender that is no number", HOOK, [("From", "whatsapp:+13035560001"), ("To", "whatsapp:+13035550100"), ("Body", "Hi")], TOKEN),
    ("a query", HOOK + "?agency=acme&v=2", text("Hello"), TOKEN),
    ("a query in its own order and encoding", HOOK + "?z=1&a=2&name=J%C3%BCrgen%20M%2e&x=%2B+%26&empty=&flag", text("Hello"), TOKEN),
    ("a query whose key is also a field", HOOK + "?Body=query", text("form"), TOKEN),
    ("with the scheme's own port", "https://partyline.example:443/api/twilio/webhook", text("Hello"), TOKEN),
    ("with another port", "https://partyline.example:8443/api/twilio/webhook", text("Hello"), TOKEN),
    ("with a port and a query", "https://partyline.example:8443/api/twilio/webhook?a=%2F", text("Hello"), TOKEN),
    ("plain http", "http://127.0.0.1:8080/api/twilio/webhook", text("Hello"), TOKEN),
    ("an address inside IPv6 brackets", "http://[::1]:8080/api/twilio/webhook", text("Hello"), TOKEN),
    ("a trailing slash", HOOK + "/", text("Hello"), TOKEN),
    ("a delivery receipt", "https://partyline.example/api/twilio/message-status", [
        ("SmsSid", "SM0123456789abcdef0123456789abcdef"), ("SmsStatus", "undelivered"), ("ErrorCode", "30003"),
        ("MessageStatus", "undelivered"), ("MessageSid", "SM0123456789abcdef0123456789abcdef"),
        ("AccountSid", "AC00000000000000000000000000000001"), ("From", "+13035550100"), ("To", "+13035560001"),
    ], TOKEN),
]  # fmt: skip


def vectors():
    for name, url, params, token in CASES:
        signature = RequestValidator(token).compute_signature(url, FormFields(params))
        yield {"name": name, "url": url, "params": params, "authToken": token, "signature": signature}


def main() -> None:
    printed = json.dumps(list(vectors()), indent=1, ensure_ascii=True) + "\n"
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(printed)
    elif not sys.argv[1:]:
        sys.stdout.write(printed)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
