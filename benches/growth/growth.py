#!/usr/bin/env python3
"""Measures what operations cost with few and with many stored messages, on one kind of database.

    make growth            measures all three databases and updates docs/benchmarks.md
    make growth-report     updates docs/benchmarks.md from docs/benchmarks/growth-*.json, without measuring

Uses the standard library, and the client of the database server. The files are in one temporary folder, which is
removed at the end. A missed target does not change the exit status; a failure to measure does.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from growth_report import DATABASES, results_file, summary, table, write_report
from measurement import Measurement, Plan
from shared import NotMeasured, Results, log

SIZES = [10_000, 1_000_000, 5_000_000]
SHORT_SIZES = [10_000, 100_000]


def sizes(text):
    return sorted(int(size) for size in text.split(","))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=DATABASES, help="the kind of database to measure")
    parser.add_argument("--partyline", type=Path, help="the release binary")
    parser.add_argument("--generators", type=Path, help="the folder of load and fan")
    parser.add_argument("--docs", type=Path, help="the folder of benchmarks.md, which is updated")
    parser.add_argument("--json", type=Path, help="a file to which the results are written")
    parser.add_argument("--sizes", type=sizes, help="numbers of messages (default: 10000,1000000,5000000)")
    parser.add_argument("--reps", type=int, help="repetitions (default: 5)")
    parser.add_argument("--short", action="store_true", help="10,000 and 100,000 messages and two repetitions")
    parser.add_argument("--keep", type=Path, help="a folder for SQLite files, which are used again if they exist")
    options = parser.parse_args()
    if options.database and not (options.partyline and options.generators):
        parser.error("--partyline and --generators are required, except for a report only")
    if not options.database and not options.docs:
        parser.error("--database is required, except for a report only, which needs --docs")
    return options


def command_line(options, plan):
    """The command for the report."""
    if options.docs and not (options.short or options.sizes or options.reps):
        return "make growth"
    return f"growth.py --sizes {','.join(map(str, plan.sizes))} --reps {plan.repetitions}"


def measure(options):
    plan = Plan(
        options.sizes or (SHORT_SIZES if options.short else SIZES), options.reps or (2 if options.short else 5)
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    with tempfile.TemporaryDirectory(prefix="partyline-growth-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
        programs = options.partyline.resolve(), options.generators.resolve()
        measurement = Measurement(options.database, plan, *programs, folder, (options.keep or folder).resolve())
        try:
            rows = measurement.run()
        except Exception:
            for site in measurement.sites:
                log(f"{site.server.name}: {site.server.end_of_log()}")
            raise
        finally:
            measurement.stop()
    return Results.of_run(rows, {"sizes": plan.sizes, "reps": plan.repetitions}, command_line(options, plan))


def main():
    options = arguments()
    if options.database:
        log(f"{DATABASES[options.database]} …")
        try:
            results = measure(options)
        except NotMeasured as error:
            log(f"could not measure: {error}")
            return 1
        print("\n".join([*table(results), "", summary(results)]))
        if options.json:
            results.write(options.json)
        if options.docs:
            results.write(results_file(options.docs, options.database))
    if options.docs:
        write_report(options.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
