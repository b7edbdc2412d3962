"""A server for a check: fresh data, on the loopback address, and stopped by its process id."""

import base64
import hashlib
import hmac
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

ACCOUNT, TOKEN = "AC00000000000000000000000000000001", "ca1a" * 8
OTHER_ACCOUNT, OTHER_TOKEN = "AC00000000000000000000000000000002", "ca1b" * 8
NUMBER, OTHER_NUMBER = "+13035550100", "+13035550200"
DIRECTORY = f"""
agencies:
  - key: acme
    name: Acme Health
    timeZone: America/Denver
    twilio: {{accountSid: {ACCOUNT}, authToken: {TOKEN}}}
    users:
      - {{key: ana, name: Ana Lopez, role: ADMIN}}
      - {{key: ben, name: Ben Ode, role: MEMBER}}
    phoneNumbers:
      - number: "{NUMBER}"
        label: Front desk
        policy: FIRST_CLAIM
        pool:
          - {{user: ana, primary: true}}
          - {{user: ben}}
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
PUBLIC_URL = "https://partyline.example"
TEXTS, RECEIPTS = "/api/twilio/webhook", "/api/twilio/message-status"

serial = itertools.count(1)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def signed(path, fields, token):
    """Headers and body of a webhook, signed as Twilio signs: the URL, then each field's name and value in order."""
    body = urlencode(fields)
    text = PUBLIC_URL + path + "".join(name + value for name, value in sorted(fields.items()))
    signature = base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}, body


def text_fields(account, sender, to, body):
    sid = f"SM{os.getpid() % 0x10000:04x}{next(serial):028x}"
    return {"AccountSid": account, "MessageSid": sid, "From": sender, "To": to, "Body": body, "NumMedia": "0"}


def wait_until(what, holds, seconds=60):
    """Waits until `holds` returns true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.05)
    raise Failure(f"timed out after {seconds} s: {what}")


class Failure(Exception):
    """A check has failed."""


class Client:
    """A persistent connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, path, body, headers):
        """Returns the status and body of the response, and its duration in seconds."""
        began = time.monotonic()
        self.connection.request("POST", path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        return answer.status, content, time.monotonic() - began

    def graphql(self, token, query, variables=None):
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        status, content, seconds = self.post("/graphql", json.dumps({"query": query, "variables": variables}), headers)
        return status, json.loads(content), seconds

    def text(self, account, token, sender, to, body):
        headers, form = signed(TEXTS, text_fields(account, sender, to, body), token)
        status, _, seconds = self.post(TEXTS, form, headers)
        return status, seconds


class Server:
    """`partyline serve` on a fresh SQLite file, with two agencies unless another directory is given."""

    def __init__(self, binary, directory=DIRECTORY, **settings):
        self.binary = str(Path(binary).resolve())
        self.folder = tempfile.TemporaryDirectory(prefix="partyline-bounds-")
        self.port = free_port()
        # The settings of this process's environment are removed, and Twilio itself is unreachable.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PARTYLINE_", "TWILIO_"))}
        self.environment = inherited | {
            "DATABASE_URL": f"sqlite://{self.folder.name}/p.db?mode=rwc",
            "PARTYLINE_LISTEN": f"127.0.0.1:{self.port}",
            "PARTYLINE_PUBLIC_URL": PUBLIC_URL,
            "PARTYLINE_LOG": "warn",
            "TWILIO_API_BASE": "http://127.0.0.1:9",
            **settings,
        }
        self.log = Path(self.folder.name, "log")
        self.process = None
        self.others = []
        Path(self.folder.name, "directory.yaml").write_text(directory)
        self.run("apply", "directory.yaml")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        for process in [self.process, *self.others]:
            if process.poll() is None:
                process.kill()
                process.wait(30)
        self.folder.cleanup()

    def run(self, *arguments):
        done = subprocess.run(
            [self.binary, *arguments], cwd=self.folder.name, env=self.environment, capture_output=True, text=True, timeout=120
        )
        if done.returncode != 0:
            raise Failure(f"partyline {arguments[0]} exited with {done.returncode}:\n{done.stderr}")
        return done.stdout.strip()

    def apply(self, yaml):
        """Applies another directory file."""
        Path(self.folder.name, "more.yaml").write_text(yaml)
        self.run("apply", "more.yaml")

    def token(self, agency, user):
        return self.run("token", "--agency", agency, "--user", user)

    def spawn(self, *arguments):
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [self.binary, *arguments], cwd=self.folder.name, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def start(self):
        self.process = self.spawn("serve")
        wait_until(f"the server is ready (log: {self.log})", lambda: self.get("/readyz")[0] == 200)

    def start_process(self, *arguments):
        """Starts another process of the same binary, which is stopped with the server."""
        self.others.append(self.spawn(*arguments))

    def get(self, path, port=None):
        """Returns the status and body of the response; the status is 0 if there is none."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""

    def stop(self):
        """Sends SIGTERM; returns the duration of the shutdown in seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - began

    def client(self):
        return Client(self.port)

    def rss(self):
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


class Figures:
    """Measurements with their limits, printed one per line."""

    def __init__(self):
        self.failed = 0

    def check(self, name, value, limit, unit=""):
        """Fails the check if the value exceeds the limit."""
        holds = value <= limit
        self.failed += not holds
        print(f"{'ok    ' if holds else 'FAILED'} {name:<62} {value:>9.1f} <= {limit:.1f} {unit}", flush=True)

    def exit(self):
        raise SystemExit(1 if self.failed else 0)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]
