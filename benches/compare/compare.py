#!/usr/bin/env python3
"""Compares Partyline with GraphQL Yoga, Mercurius and a raw server, on this machine and in one run.

    make compare            measures everything and updates docs/benchmarks.md (about ten minutes and the builds)
    make compare-report     updates docs/benchmarks.md from docs/benchmarks/compare.json, without measuring

Uses the standard library only. All servers listen on loopback, and their files are in one temporary folder, which is
removed at the end. A missed target does not change the exit status; a failure to measure does.
"""

import argparse
import resource
import signal
import sys
import tempfile
from pathlib import Path

from measure import Measurement, Sizes, log
from report import print_report, write_report
from results import Results
from servers import NotMeasured, Programs, Servers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partyline", type=Path, help="the release binary")
    parser.add_argument("--generators", type=Path, help="the folder of load, fan and limit")
    parser.add_argument("--node-modules", type=Path, help="the folder in which the peers' packages are installed")
    parser.add_argument("--docs", type=Path, help="the folder of benchmarks.md, which is updated")
    parser.add_argument("--json", type=Path, help="a file to which the results are written")
    parser.add_argument("--from", type=Path, dest="file", help="report the results in this file and do not measure")
    parser.add_argument("--reps", type=int, default=5, help="repetitions (default: 5)")
    parser.add_argument("--secs", type=float, default=1.5, help="seconds of each measurement (default: 1.5)")
    parser.add_argument("--short", action="store_true", help="a rough picture in less than a minute")
    parser.add_argument("--only", default=",".join(Measurement.PARTS), help="parts to measure (default: all of them)")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(Measurement.PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    if options.file is None and not (options.partyline and options.generators and options.node_modules):
        parser.error("--partyline, --generators and --node-modules are required, except with --from")
    return options


def command_line(options, sizes):
    """The command for the report, with the options that change what is measured."""
    words = ["make compare"] if options.docs else ["compare.py"]
    if options.short:
        words.append("--short")
    if options.only != list(Measurement.PARTS):
        words.append(f"--only {','.join(options.only)}")
    if not options.short and (sizes.repetitions, sizes.seconds) != (5, 1.5):
        words.append(f"--reps {sizes.repetitions} --secs {sizes.seconds}")
    return " ".join(words)


def allow_many_open_files():
    """The deliveries to 10,000 subscribers need as many sockets in two processes, which inherit this limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measure(options):
    sizes = Sizes(options.short, options.reps, options.secs)
    programs = Programs(*(path.resolve() for path in (options.partyline, options.generators, options.node_modules)))
    allow_many_open_files()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    with tempfile.TemporaryDirectory(prefix="partyline-compare-", ignore_cleanup_errors=True) as folder:
        servers = Servers(programs, Path(folder))
        try:
            measurement = Measurement(servers, sizes, Path(folder))
            measurement.run(options.only)
        except Exception:
            for server in servers.running.values():
                state = "running" if server.is_running() else f"exit status {server.process.returncode}"
                log(f"{server.name} ({state}): {server.end_of_log()}")
            raise
        finally:
            servers.stop_all()
    settings = {"reps": sizes.repetitions, "secs": sizes.seconds, "short": sizes.short, "only": options.only}
    return Results.of_run(measurement.results, settings, command_line(options, sizes))


def main():
    options = arguments()
    try:
        results = Results.read(options.file) if options.file else measure(options)
    except NotMeasured as error:
        log(f"could not measure: {error}")
        return 1
    print_report(results)
    if options.json:
        results.write(options.json)
    if options.docs:
        write_report(results, options.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
