"""Shared by both fuzzers: command-line options, and a run of schemathesis that must find no violation."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from partyline import Failure, Server

HERE = Path(__file__).resolve().parent
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
SECONDS = 300  # per user; the default number of examples takes about a sixth of that
CONFIG = """
hooks = {hooks}
seed = {seed}
color = false
warnings = false  # many refusals are expected
continue-on-failure = true
headers = {{ Authorization = {authorization} }}
request-timeout = 20

[generation]
max-examples = {examples}
database = "none"
"""


class Fuzzer:
    """Sends requests according to the document served at `schema`; `check` is the file that checks the responses."""

    def __init__(self, server: Server, schema: str, check: str, options: argparse.Namespace) -> None:
        self.server, self.schema, self.check, self.options = server, schema, check, options

    def run(self, user: str, token: str, settings: str, environment: Callable[[Path], dict[str, str]]) -> dict:
        """Sends requests as this user, with additional settings. Returns the counts that the check writes to the path
        passed in its environment."""
        folder = self.server.folder / f"{self.check}-{user}"
        folder.mkdir()
        config, counts = folder / "schemathesis.toml", folder / "counts.json"
        written = CONFIG.format(
            hooks=json.dumps(str(HERE / self.check)),  # a JSON string is also valid TOML
            seed=self.options.seed,
            authorization=json.dumps(f"Bearer {token}"),
            examples=self.options.examples,
        )
        config.write_text(written + settings)
        command = [SCHEMATHESIS, f"--config-file={config}", "run", f"{self.server.origin}{self.schema}"]
        given = os.environ | environment(counts)
        done = subprocess.run(command, cwd=folder, env=given, stdin=subprocess.DEVNULL, timeout=SECONDS)
        if done.returncode != 0:
            raise Failure(f"schemathesis exited with {done.returncode}; reproduce with --seed {self.options.seed}")
        seen = json.loads(counts.read_text())
        print(f"responses to {user}: {seen}", flush=True)
        return seen


def texts(value: object) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def main(about: str, fuzz: Callable[[str, argparse.Namespace], int]) -> int:
    """Runs a fuzzer with the binary and options of the command line; `fuzz` returns the number of valid responses."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/partyline")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        passed = fuzz(str(Path(options.binary).resolve()), options)
    except (Failure, OSError, subprocess.SubprocessError) as error:
        sys.stdout.flush()
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1
    print(f"{passed} passed, 0 failed")
    return 0
