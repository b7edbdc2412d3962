"""The results of a comparison: the file, and access to its rows by part, server and number of clients."""

import json
import os
import subprocess
import time
from pathlib import Path

# The comparison from which this one is adapted calls Mercurius `merc`; its files can be reported too.
OTHER_NAMES = {"merc": "mercurius"}


class Results:
    def __init__(self, document):
        self.document = document
        self.rows = document["rows"]
        for row in self.rows:
            row["name"] = OTHER_NAMES.get(row["name"], row["name"])

    @classmethod
    def of_run(cls, rows, options, command):
        """The results of a measurement that has just ended, with a description of the machine."""
        return cls(
            {
                "at": time.strftime("%FT%TZ", time.gmtime()),
                "commit": commit(),
                "command": command,
                "cpu": processor(),
                "cores": os.cpu_count(),
                "load": [round(value, 2) for value in os.getloadavg()],
                "options": options,
                "rows": rows,
            }
        )

    @classmethod
    def read(cls, file):
        return cls(json.loads(Path(file).read_text()))

    def write(self, file):
        """Writes each row on its own line, so that a difference between two files is readable."""
        head = {key: value for key, value in self.document.items() if key not in ("rows", "bars")}
        lines = [f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items()]
        rows = ",\n".join(f"    {json.dumps(rounded(row))}" for row in self.rows)
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(f'{{\n{"".join(lines)}  "rows": [\n{rows}\n  ]\n}}\n')

    def row(self, part, name, clients=None):
        """The row, or None if it was not measured. Deliveries have no number of clients."""
        for row in self.rows:
            if (row["part"], row["name"], row.get("c")) == (part, name, clients):
                return row
        return None

    def value(self, part, name, clients, field):
        row = self.row(part, name, clients)
        return row.get(field) if row else None


def rounded(row):
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}


def commit():
    """The commit of the working copy, or None if it is not a Git repository."""
    folder = Path(__file__).parent
    describe = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
