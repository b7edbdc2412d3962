"""Starts the binary in a temporary folder, on a free port, with a small agency; stops it by its process id."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

PUBLIC_URL = "https://partyline.example"  # texts are signed over it; nothing connects to it
ACCOUNT, AUTH_TOKEN = "AC00000000000000000000000000000001", "c11f" * 8
NUMBER, PERSON = "+13035550100", "+13035560001"
DIRECTORY = f"""
agencies:
  - key: acme
    name: Acme Health
    timeZone: America/Denver
    twilio: {{accountSid: {ACCOUNT}, authToken: {AUTH_TOKEN}}}
    users:
      - {{key: ana, name: Ana Lopez, role: ADMIN, phone: "+13035550111"}}
      - {{key: ben, name: Ben Ode}}
      - {{key: chloe, name: Chloe Park}}
    phoneNumbers:
      - number: "{NUMBER}"
        label: Front desk
        pool: [{{user: ana, primary: true}}, {{user: ben}}]
      - number: "+13035550101"
        label: Nurse line
        policy: SHARED
        pool: [{{user: chloe, primary: true}}]
    extensions:
      - {{digits: "101", user: ana}}
      - {{digits: "102", user: ben, number: "{NUMBER}"}}
    contacts:
      - {{phone: "{PERSON}", name: Carla Ruiz, provider: ben}}
"""
START_SECONDS = 60
STOP_SECONDS = 30  # a graceful shutdown may take up to 20 s


class Failure(Exception):
    pass


class Server:
    """A running `partyline serve`."""

    def __init__(self, binary: str, folder: Path, settings: dict[str, str]) -> None:
        self.binary, self.folder = binary, folder
        # Settings for another Partyline on this machine are removed.
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PARTYLINE_", "TWILIO_")) and name != "DATABASE_URL"
        } | {
            "DATABASE_URL": f"sqlite://{folder}/partyline.db?mode=rwc",
            "PARTYLINE_LISTEN": "127.0.0.1:0",
            "PARTYLINE_PUBLIC_URL": PUBLIC_URL,
            **settings,
        }
        self.command("apply", "-", given=DIRECTORY)
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [binary, "serve"],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.listens = threading.Event()
        self.port = 0
        # The log is read to its end; otherwise the server would block on a full pipe.
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()

    def read_log(self) -> None:
        for line in self.process.stdout:
            self.log.append(line.rstrip())
            if match := re.search(r"serving address=127\.0\.0\.1:(\d+)", line):
                self.port = int(match.group(1))
                self.listens.set()
        self.listens.set()  # the server has exited; waiters see that there is no port

    def wait_listening(self) -> None:
        if not self.listens.wait(START_SECONDS) or not self.port:
            raise Failure("serve did not start to listen")

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *arguments: str, given: str = "") -> str:
        """Runs another command of the binary on the same database; returns its standard output."""
        done = subprocess.run(
            [self.binary, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )
        if done.returncode != 0:
            raise Failure(f"partyline {arguments[0]} exited with {done.returncode}: {done.stderr.strip()}")
        return done.stdout.strip()

    def token(self, user: str = "ana", agency: str = "acme") -> str:
        return self.command("token", "--agency", agency, "--user", user, "--ttl", "1h")

    def text(self, body: str, sender: str = PERSON, to: str = NUMBER, media: int = 0) -> None:
        """Posts a text to the webhook as Twilio does; it is stored once this returns."""
        sid = f"SM{secrets.token_hex(16)}"
        # In the order of their names, in which they are signed.
        fields = {"AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "Body": body, "From": sender}
        fields |= {f"MediaContentType{n}": "image/png" for n in range(media)}
        fields |= {f"MediaUrl{n}": f"https://api.example/{n}" for n in range(media)}
        fields |= {"MessageSid": sid, "NumMedia": str(media), "NumSegments": "1", "SmsSid": sid, "To": to}
        path = "/api/twilio/webhook"
        signed = PUBLIC_URL + path + "".join(name + value for name, value in fields.items())
        digest = hmac.digest(AUTH_TOKEN.encode(), signed.encode(), hashlib.sha1)
        status, content = self.post(
            path,
            urlencode(fields),
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": base64.b64encode(digest).decode(),
            },
        )
        if status != 200:
            raise Failure(f"the webhook responded with {status}: {content[:200]!r}")

    def ask(self, query: str, variables: dict | None = None, user: str = "ana") -> dict:
        """Sends a GraphQL request without a client library; returns the data."""
        status, content = self.post(
            "/graphql",
            json.dumps({"query": query, "variables": variables or {}}),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.token(user)}"},
        )
        answer = json.loads(content)
        if status != 200 or answer.get("errors"):
            raise Failure(f"{query} got {status}: {content[:500]!r}")
        return answer["data"]

    def get(self, path: str, token: str) -> dict:
        """Sends a GET request to a REST route; returns the JSON of the 200."""
        status, content = self.request("GET", path, None, {"Authorization": f"Bearer {token}"})
        if status != 200:
            raise Failure(f"{path} got {status}: {content[:500]!r}")
        return json.loads(content)

    def post(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, bytes]:
        return self.request("POST", path, body.encode(), headers)

    def request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def stop(self) -> None:
        """Sends SIGTERM, and checks the exit code and that the log contains no errors."""
        if (code := self.process.poll()) is not None:
            raise Failure(f"the server exited unexpectedly with {code}")
        self.process.send_signal(signal.SIGTERM)
        if (code := self.process.wait(STOP_SECONDS)) != 0:
            raise Failure(f"the server exited with {code} after SIGTERM")
        self.reader.join(STOP_SECONDS)
        for line in self.log:
            if "panicked" in line or " ERROR " in line:
                raise Failure(f"the server logged: {line}")


@contextmanager
def serving(binary: str, **settings: str):
    folder = Path(tempfile.mkdtemp(prefix="partyline-clients-"))
    server = None
    try:
        server = Server(binary, folder, settings)
        server.wait_listening()
        yield server
        server.stop()
    except BaseException:
        if server:
            print("last lines of the server's log:", *server.log[-25:], sep="\n")
        raise
    finally:
        if server and server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder, ignore_errors=True)
