#!/usr/bin/env python3
"""Posts texts that are signed by Twilio's official Python helper to a running server, and checks the responses.

    python tests/twilio/sign_requests.py --binary target/debug/partyline

The server runs three times, each on a fresh SQLite file: behind a plain public URL (with all logs enabled), behind a
URL with a port, and with a custom webhook URL. Exits with 1 at the first mismatch; otherwise prints `N passed, 0
failed`. No body, phone number, or token may appear in the server's log.
"""

import argparse
import http.client
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

from twilio.request_validator import RequestValidator

PATH = "/api/twilio/webhook"
ACCOUNT, TOKEN, SECOND_TOKEN = "AC00000000000000000000000000000001", "ca1a" * 8, "ca1b" * 8
OTHER_ACCOUNT, OTHER_TOKEN = "AC00000000000000000000000000000002", "ca1c" * 8
UNKNOWN_ACCOUNT = "AC00000000000000000000000000000009"
NUMBER, OTHER_NUMBER, NOBODYS_NUMBER, PERSON = "+13035550100", "+13035550200", "+13035550999", "+13035560001"
CANARY = "xylophonecanary"  # contained in every body below
DIRECTORY = f"""
agencies:
  - key: acme
    name: Acme Health
    timeZone: America/Denver
    twilio: {{accountSid: {ACCOUNT}, authToken: {TOKEN}, secondaryAuthToken: {SECOND_TOKEN}}}
    users:
      - {{key: ana, name: Ana Lopez, role: ADMIN, phone: "+13035550111"}}
    phoneNumbers:
      - number: "{NUMBER}"
        label: Front desk
        policy: FIRST_CLAIM
        pool:
          - {{user: ana, primary: true}}
  - key: other
    name: Other Clinic
    timeZone: America/Denver
    twilio: {{accountSid: {OTHER_ACCOUNT}, authToken: {OTHER_TOKEN}}}
    users:
      - {{key: eve, name: Eve Stone, role: ADMIN}}
    phoneNumbers:
      - number: "{OTHER_NUMBER}"
        label: Desk
        policy: FIRST_CLAIM
        pool:
          - {{user: eve, primary: true}}
"""
SECRETS = [CANARY, TOKEN, SECOND_TOKEN, OTHER_TOKEN] + [
    number.removeprefix("+1") for number in (NUMBER, OTHER_NUMBER, NOBODYS_NUMBER, PERSON, "+13035550111")
]


class Mismatch(Exception):
    pass


class FormFields(list):
    """Form fields with repeated keys, in the form in which a web framework passes them to the helper."""

    def __iter__(self):
        return (key for key, _ in self.pairs())

    def pairs(self):
        return super().__iter__()

    def getall(self, wanted):
        return [value for key, value in self.pairs() if key == wanted]


serial = itertools.count(1)


def text(body=CANARY, *more, account=ACCOUNT, sender=PERSON, to=NUMBER):
    """The fields of an inbound text in Twilio's unsorted order, with a unique MessageSid."""
    sid = f"SM{next(serial):032x}"
    return [
        ("ToCountry", "US"),
        ("SmsMessageSid", sid),
        ("NumMedia", "0"),
        ("SmsSid", sid),
        ("SmsStatus", "received"),
        ("Body", body),
        ("To", to),
        ("NumSegments", "1"),
        ("MessageSid", sid),
        ("AccountSid", account),
        ("From", sender),
        ("ApiVersion", "2010-04-01"),
        *more,
    ]


def form(params, encode=quote_plus):
    return "&".join(f"{encode(key)}={encode(value)}" for key, value in params).encode("ascii")


def every_byte(value):
    """The most verbose form encoding: every byte as %xx in lower case."""
    return "".join(f"%{byte:02x}" for byte in value.encode())


def sign(url, params, token=TOKEN):
    return RequestValidator(token).compute_signature(url, FormFields(params))


class Server:
    """A running `partyline serve` with a known port and a captured log."""

    def __init__(self, process, port, log):
        self.process, self.port, self.log = process, port, log
        self.passed = 0

    def post(self, body, signature, query="", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest("POST", PATH + query, skip_host=True, skip_accept_encoding=True)
        sent = {
            "Host": "partyline.example",
            "User-Agent": "TwilioProxy/1.1",
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "Content-Length": str(len(body)),
            **({} if signature is None else {"X-Twilio-Signature": signature}),
            **(headers or {}),
        }
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.getheader("Content-Type") or "", content

    def accepts(self, name, body, signature, query="", headers=None):
        status, content_type, content = self.post(body, signature, query, headers)
        if status != 200:
            raise Mismatch(f"{name}: expected 200, got {status}: {content[:200]!r}")
        if content_type.split(";")[0].strip() != "text/xml":
            raise Mismatch(f"{name}: expected text/xml, got {content_type!r}")
        try:
            root = ElementTree.fromstring(content)
        except ElementTree.ParseError as error:
            raise Mismatch(f"{name}: the response is not XML ({error}): {content[:200]!r}") from None
        if root.tag != "Response" or len(root) or (root.text or "").strip() or root.attrib:
            raise Mismatch(f"{name}: expected an empty <Response/>, got {content[:200]!r}")
        self.passed += 1

    def refuses(self, name, body, signature, query="", headers=None):
        status, _, content = self.post(body, signature, query, headers)
        if status != 403:
            raise Mismatch(f"{name}: expected 403, got {status}: {content[:200]!r}")
        self.passed += 1

    def check(self, name, holds):
        if not holds:
            raise Mismatch(name)
        self.passed += 1


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_ready(server, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise Mismatch(f"serve exited during startup with {server.process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.05)
    raise Mismatch(f"serve did not respond to GET /readyz with 200 within {seconds} s")


@contextmanager
def serving(binary, public_url, log_level, **more):
    """Applies the directory to a fresh database, serves it, and finally checks the shutdown and the log."""
    with tempfile.TemporaryDirectory(prefix="partyline-signatures-") as folder:
        directory = Path(folder, "directory.yaml")
        directory.write_text(DIRECTORY)
        log_path = Path(folder, "log")
        port = free_port()
        # The settings of this process's environment are removed, and Twilio itself is unreachable.
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("PARTYLINE_", "TWILIO_"))
        }
        environment = inherited | {
            "DATABASE_URL": f"sqlite://{folder}/p.db?mode=rwc",
            "PARTYLINE_LISTEN": f"127.0.0.1:{port}",
            "PARTYLINE_PUBLIC_URL": public_url,
            "PARTYLINE_LOG": log_level,
            "TWILIO_API_BASE": "http://127.0.0.1:9",
            **more,
        }
        with open(log_path, "wb") as log:
            start = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            applied = subprocess.run([binary, "apply", str(directory)], timeout=60, **start)
            if applied.returncode != 0:
                raise Mismatch(f"apply exited with {applied.returncode}:\n{tail(log_path)}")
            process = subprocess.Popen([binary, "serve"], **start)
            server = Server(process, port, log_path)
            try:
                wait_ready(server)
                yield server
                process.send_signal(signal.SIGTERM)
                try:
                    server.check(f"serve ended with {process.wait(30)} after SIGTERM, not with 0", process.wait(30) == 0)
                except subprocess.TimeoutExpired:
                    raise Mismatch("serve did not exit within 30 s of SIGTERM") from None
                logged = log_path.read_text(errors="replace")
                for secret in SECRETS:
                    line = next((line for line in logged.splitlines() if secret in line), None)
                    server.check(f"{secret!r} stands in the log at {log_level}:\n{line}", line is None)
            except BaseException:
                # Shown only after a failure; its tokens and numbers are test data.
                print(f"last lines of the log (public URL {public_url}):\n{tail(log_path)}", file=sys.stderr)
                raise
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()


def tail(path, lines=25):
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def plain_public_url(server, origin):
    url = origin + PATH
    port = {"https": 443, "http": 80}[origin.split(":")[0]]
    url_with_port = f"{origin}:{port}{PATH}"

    # Bodies that people can write; the signature covers the decoded text.
    bodies = {
        "plain text": CANARY,
        "an empty body": "",
        "letters beyond ASCII": f"{CANARY} Grüße aus Köln, ¿qué? Здравствуйте 你好 שלום",
        "emoji": f"{CANARY} 👩‍⚕️👍🏽",
        "a decomposed letter": f"{CANARY} e\u0301 é",
        "plus signs": f"{CANARY} 1 + 1, +++",
        "form characters": f"{CANARY} a=b&c=d%20%&=#?/;",
        "line ends": f"{CANARY}\none\r\ntwo\r\tthree",
        "white space at both ends": f"  {CANARY} \n",
        "quotes and markup": f"{CANARY} \"it's\" <b>\\n</b> <Response><Message>no</Message></Response>",
        "the longest body": f"{CANARY} " + "word " * 310,
    }
    for name, body in bodies.items():
        for label, encode in (
            ("space as +", quote_plus),
            ("space as %20", quote),
            ("every byte encoded", every_byte),
        ):
            params = text(body)
            server.accepts(f"{name}, {label}", form(params, encode), sign(url, params))

    more = {
        "empty values": [("FromCity", ""), ("FromState", ""), ("FromZip", ""), ("FromCountry", "")],
        "a repeated key": [("Tag", "b"), ("Tag", "a"), ("Tag", "c")],
        "a repeated key, equal values": [("Tag", "b"), ("Tag", "a"), ("Tag", "b")],
        "a repeated key, one value empty": [("Tag", "x"), ("Tag", "")],
        "repeated values beyond ASCII": [("Tag", "👍"), ("Tag", "\uff5e"), ("Tag", "Z")],
        "a key that needs encoding": [("Key with space & sign", "=v&")],
        "keys that sort apart": [("b", "2"), ("B", "1"), ("_", "3"), ("A1", "5"), ("A", "6")],
        "a field Twilio may add one day": [("Quantum", '{"spin":"up"}')],
    }
    for name, fields in more.items():
        params = text(CANARY, *fields)
        server.accepts(name, form(params), sign(url, params))
    params = text()
    params.reverse()
    server.accepts("fields in another order", form(params), sign(url, params))
    server.accepts("the same text again", form(params), sign(url, params))
    params = text()
    server.accepts(
        "a content type without charset",
        form(params),
        sign(url, params),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    senders = {"a short code": "88222", "an alphanumeric sender": "ACME", "WhatsApp": "whatsapp:" + PERSON}
    for name, sender in senders.items():
        params = text(sender=sender)
        server.accepts(f"from {name}", form(params), sign(url, params))
    params = text(to=NOBODYS_NUMBER)
    server.accepts("to a number nobody holds (quarantine)", form(params), sign(url, params))

    # The query is signed as received: undecoded and in its original order.
    queries = [
        "?agency=acme&v=2",
        "?z=1&a=2",
        "?name=J%C3%BCrgen%20M&x=%2B+%26",
        "?lower=%c3%bc&needless=%41%2e%7e",
        "?empty=&flag&&",
        "?Body=query",
        "?u=https://elsewhere.example:443/x?y=z",
    ]
    for query in queries:
        params = text()
        server.accepts(f"the query {query}", form(params), sign(url + query, params), query)
        params = text()
        server.accepts(f"with port, the query {query}", form(params), sign(url_with_port + query, params), query)

    params = text()
    server.accepts("the scheme's port in the signed URL", form(params), sign(url_with_port, params))
    params = text()
    server.accepts("the second token", form(params), sign(url, params, SECOND_TOKEN))
    params = text()
    server.accepts("the second token, with port", form(params), sign(url_with_port, params, SECOND_TOKEN))
    params = text(account=OTHER_ACCOUNT, to=OTHER_NUMBER)
    server.accepts("the other account with its own token", form(params), sign(url, params, OTHER_TOKEN))
    params = text()
    server.accepts(
        "a Host header that is not the public one", form(params), sign(url, params), headers={"Host": "127.0.0.1"}
    )

    # Requests that Twilio did not send.
    params = text()
    good = sign(url, params)
    server.refuses("a wrong token", form(params), sign(url, params, "0" * 32))
    server.refuses("an empty token", form(params), sign(url, params, ""))
    server.refuses("a token in upper case", form(params), sign(url, params, TOKEN.upper()))
    server.refuses("no signature", form(params), None)
    server.refuses("an empty signature", form(params), "")
    server.refuses("not base64", form(params), "not*base64")
    server.refuses("a truncated signature", form(params), good[:14])
    server.refuses("a signature with a suffix", form(params), good + "AAAA")
    server.refuses("one bit of the signature", form(params), ("A" if good[0] != "A" else "B") + good[1:])
    server.refuses("a changed body", form([(k, v + "!" if k == "Body" else v) for k, v in params]), good)
    server.refuses("a changed sender", form([(k, "+13035560002" if k == "From" else v) for k, v in params]), good)
    server.refuses("an added field", form([*params, ("Extra", "1")]), good)
    server.refuses("a missing field", form([(k, v) for k, v in params if k != "NumSegments"]), good)
    server.refuses("an added query", form(params), good, "?a=1")
    server.refuses("a missing query", form(params), sign(url + "?a=1", params))
    server.refuses("a changed query", form(params), sign(url + "?a=1", params), "?a=2")
    server.refuses("a query in another order", form(params), sign(url + "?a=1&b=2", params), "?b=2&a=1")
    server.refuses("a query encoded differently", form(params), sign(url + "?a=%2F", params), "?a=/")
    server.refuses("signed for another host", form(params), sign("https://evil.example" + PATH, params))
    server.refuses(
        "signed for another host that Host and X-Forwarded-Host name",
        form(params),
        sign("https://evil.example" + PATH, params),
        headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"},
    )
    server.refuses("signed for another scheme", form(params), sign(url.replace("https:", "http:"), params))
    server.refuses("signed for another port", form(params), sign(f"{origin}:444{PATH}", params))
    server.refuses("signed for another path", form(params), sign(f"{origin}/api/twilio/message-status", params))
    server.refuses("another account's token", form(params), sign(url, params, OTHER_TOKEN))
    forged = text(account=OTHER_ACCOUNT, to=NUMBER)
    server.refuses("another account with this account's token", form(forged), sign(url, forged))
    unknown = text(account=UNKNOWN_ACCOUNT)
    server.refuses("an unknown account", form(unknown), sign(url, unknown))
    server.accepts("the genuine text afterwards", form(params), good)


def public_url_with_port(server, origin):
    url = origin + PATH
    without = origin.rsplit(":", 1)[0] + PATH
    for query in ("", "?a=%2F&b"):
        for token in (TOKEN, SECOND_TOKEN):
            params = text()
            server.accepts(f"with the port, query {query!r}", form(params), sign(url + query, params, token), query)
            params = text()
            server.accepts(f"without it, query {query!r}", form(params), sign(without + query, params, token), query)
    params = text()
    server.refuses("another port", form(params), sign(url.replace("8443", "8444"), params))
    server.refuses("a wrong token", form(params), sign(url, params, OTHER_TOKEN))
    server.refuses("another host", form(params), sign("https://evil.example:8443" + PATH, params))


def own_webhook_url(server, url):
    params = text()
    server.accepts("the configured webhook URL", form(params), sign(url, params))
    params = text()
    server.accepts("its port", form(params), sign(url.replace(".example/", ".example:443/"), params))
    server.refuses("another path of that host", form(params), sign(url + "/more", params))
    server.refuses("another host", form(params), sign(url.replace("relay", "evil"), params))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/partyline")
    binary = str(Path(parser.parse_args().binary).resolve())
    passed = 0
    try:
        with serving(binary, "https://partyline.example", "trace") as server:
            plain_public_url(server, "https://partyline.example")
        passed += server.passed
        with serving(binary, "https://partyline.example:8443", "info") as server:
            public_url_with_port(server, "https://partyline.example:8443")
        passed += server.passed
        hook = "https://relay.example/partyline/sms"
        with serving(binary, "https://partyline.example", "debug", TWILIO_SMS_WEBHOOK_URL=hook) as server:
            own_webhook_url(server, hook)
        passed += server.passed
    except (Mismatch, OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
        print(f"sign_requests: {error or repr(error)}", file=sys.stderr)
        return 1
    print(f"{passed} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
