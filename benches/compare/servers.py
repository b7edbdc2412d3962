"""Starts and stops the servers that are compared.

All of them listen on loopback, on free ports, and keep their databases and logs in one temporary folder. They are
stopped by their process ids.
"""

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"

ACCOUNT = "AC00000000000000000000000000000001"
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
JWT_SECRET = "0123456789abcdef0123456789abcdef"
SECRET_KEY = "0123456789abcdef0123456789abcdef"

# The same agency as in schema.sql: 50 users, and 100 numbers with a pool of five users each.
USERS = 50
NUMBERS = 100
POOL = 5
ADMINS = 20  # the users whose tokens the generators use; an admin sees every thread, as every user of the peers does

START_TIMEOUT = 30
STOP_TIMEOUT = 20
COMMAND_TIMEOUT = 60


class NotMeasured(Exception):
    """A server, a generator or a response was not as expected, so there is no result."""


@dataclass
class Programs:
    """The paths of what `make compare` builds and installs."""

    partyline: Path
    generators: Path  # the folder of load, fan and limit
    node_modules: Path


def user_key(number):
    return f"u{number:02d}"


def pool_of(number):
    """The users in the pool of a number; the first one is primary."""
    return [user_key(1 + (number * 7 + place * 11) % USERS) for place in range(POOL)]


def directory(pool_of=pool_of):
    """The agency as a directory file of Partyline."""
    lines = [
        "agencies:",
        "  - key: compare",
        "    name: Comparison",
        "    timeZone: America/Denver",
        f"    twilio: {{accountSid: {ACCOUNT}, authToken: {AUTH_TOKEN}}}",
        "    defaultUser: u01",
        "    users:",
    ]
    for user in range(1, USERS + 1):
        role = "ADMIN" if user <= ADMINS else "MEMBER"
        phone = f"+1970555{user:04d}"
        lines.append(f'      - {{key: {user_key(user)}, name: "User {user}", role: {role}, phone: "{phone}"}}')
    lines.append("    phoneNumbers:")
    for number in range(NUMBERS):
        lines += [
            f'      - number: "+1303555{100 + number:04d}"',
            f"        label: Line {number}",
            "        policy: FIRST_CLAIM",
            "        pool:",
        ]
        for place, user in enumerate(pool_of(number)):
            primary = "true" if place == 0 else "false"
            lines.append(f"          - {{user: {user}, primary: {primary}, smsEnabled: true}}")
    lines.append("    extensions:")
    lines += [f'      - {{digits: "{200 + user}", user: {user_key(user)}}}' for user in range(1, ADMINS + 1)]
    return "\n".join(lines) + "\n"


def peer_token(user):
    """A token that the peers accept, valid for twelve hours."""

    def encode(part):
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    claims = json.dumps({"sub": user, "agency": "compare", "exp": int(time.time()) + 12 * 3600})
    signed = encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + encode(claims.encode())
    signature = hmac.new(JWT_SECRET.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + encode(signature)).decode()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A running server process."""

    def __init__(self, name, command, environment, port, log, tokens, folder):
        self.name = name
        self.address = f"127.0.0.1:{port}"
        self.fan_address = self.address  # where subscribers connect
        self.tokens = tokens  # a file with one token per line
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT, cwd=folder
            )
        try:
            self.wait_until_it_listens(port)
        except BaseException:
            self.stop()
            raise

    def wait_until_it_listens(self, port):
        end = time.time() + START_TIMEOUT
        while time.time() < end and self.is_running():
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise NotMeasured(f"{self.name} did not start: {self.end_of_log()}")

    def is_running(self):
        return self.process.poll() is None

    def end_of_log(self):
        return Path(self.log).read_text(errors="replace")[-800:]

    def options(self, kind, path, **more):
        """The options with which the generators `load` and `fan` reach this server."""
        options = {
            "name": self.name,
            "kind": kind,
            "addr": self.address,
            "path": path,
            "pid": self.process.pid,
            "url": f"http://{self.address}{path}",
            "account": ACCOUNT,
            "token": AUTH_TOKEN,
        }
        if kind == "gql" and self.tokens:
            options["bearers"] = self.tokens
        options.update(more)
        return " ".join(f"{key}={value}" for key, value in options.items())

    def graphql(self, body):
        """The response to a request of the first user."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.first_token()}"}
        request = urllib.request.Request(f"http://{self.address}/graphql", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)

    def first_token(self):
        return self.tokens.read_text().split()[0]

    def stop(self):
        if not self.is_running():
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Partyline:
    """The commands of Partyline on one database."""

    def __init__(self, program, database_url, port, folder):
        self.program, self.port, self.folder = program, port, folder
        self.environment = {
            "DATABASE_URL": database_url,
            "PARTYLINE_LISTEN": f"127.0.0.1:{port}",
            "PARTYLINE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "PARTYLINE_JWT_SECRET": JWT_SECRET,
            "PARTYLINE_SECRET_KEY": SECRET_KEY,
            "PARTYLINE_LOG": "warn",
            "TWILIO_API_BASE": "http://127.0.0.1:9",  # refuses connections: nothing leaves this machine
        }

    def run(self, *arguments):
        """What the command prints."""
        done = subprocess.run(
            [self.program, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
            cwd=self.folder,
        )
        if done.returncode:
            raise NotMeasured(f"partyline {' '.join(arguments)}: {done.stderr[-600:]}{done.stdout[-300:]}")
        return done.stdout.strip()

    def create_agency(self, directory):
        """Creates the tables and the agency of a directory file."""
        self.run("migrate", "up")
        self.run("apply", str(directory))

    def write_tokens(self, file, users):
        """Writes a token for each of these users, one per line, and returns the file."""
        token = ("token", "--agency", "compare", "--ttl", "12h", "--user")
        file.write_text("".join(f"{self.run(*token, user_key(user))}\n" for user in users))
        return file

    def serve(self, name, log, tokens):
        """Starts the server."""
        return Server(name, [self.program, "serve"], self.environment, self.port, log, tokens, self.folder)


class Servers:
    """The running servers, by name. Each start has a fresh database."""

    def __init__(self, programs, folder):
        self.programs, self.folder, self.starts = programs, folder, 0
        self.running = {}
        self.peer_tokens = folder / "peers.tokens"
        tokens = [peer_token(user_key(user)) for user in range(1, ADMINS + 1)]
        self.peer_tokens.write_text("\n".join(tokens) + "\n")
        self.directory = folder / "directory.yaml"
        self.directory.write_text(directory())

    def __getitem__(self, name):
        return self.running[name]

    def __contains__(self, name):
        return name in self.running

    def start(self, name):
        """Starts `partyline`, `limit` (the raw server), `yoga` or `mercurius`."""
        self.starts += 1
        database = self.folder / f"{name}{self.starts}.db"
        start = {"partyline": self.start_partyline, "limit": self.start_limit}.get(name, self.start_peer)
        self.running[name] = start(name, free_port(), database, self.folder / f"{name}{self.starts}.log")
        return self.running[name]

    def start_partyline(self, name, port, database, log):
        partyline = Partyline(self.programs.partyline, f"sqlite://{database}?mode=rwc", port, self.folder)
        partyline.create_agency(self.directory)
        tokens = partyline.write_tokens(log.with_suffix(".tokens"), range(1, ADMINS + 1))
        return partyline.serve(name, log, tokens)

    def start_limit(self, name, port, database, log):
        fan_address = f"127.0.0.1:{free_port()}"
        limit = self.programs.generators / "limit"
        command = [limit, "serve", f"127.0.0.1:{port}", database, fan_address, AUTH_TOKEN]
        server = Server(name, command, {}, port, log, None, self.folder)
        server.fan_address = fan_address
        return server

    def start_peer(self, name, port, database, log):
        environment = {
            "PORT": str(port),
            "DATABASE": str(database),
            "AUTH_TOKEN": AUTH_TOKEN,
            "JWT_SECRET": JWT_SECRET,
            "NODE_ENV": "production",
            "NODE_PATH": str(self.programs.node_modules),
        }
        command = ["node", PEERS / f"{name}.js"]
        return Server(name, command, environment, port, log, self.peer_tokens, self.folder)

    def stop(self, name):
        if name in self.running:
            self.running.pop(name).stop()

    def stop_all(self):
        for name in list(self.running):
            self.stop(name)

    def check_that_all_run(self):
        ended = [name for name, server in self.running.items() if not server.is_running()]
        if ended:
            raise NotMeasured(f"{', '.join(ended)} ended while being measured")
