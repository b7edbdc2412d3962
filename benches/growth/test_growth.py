"""Tests of the report with made-up results, and of the history; nothing is measured. Run by `make check-compare`."""

import sqlite3
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from cost import CpuMeter
from databases import Sqlite, open_database
from growth_report import BEGIN, END, comparisons, results_file, size, summary, table, write_report
from operations import OPERATIONS, QUERIES, query_bodies
from seeding import History, Seeding, number_of, pool_of, thread_id
from shared import NUMBERS, NotMeasured, Results


def row(name, messages, cpu_us=100.0, p50_ms=1.0):
    return {"name": name, "messages": messages, "cpu_us": cpu_us, "p50_ms": p50_ms}


def results(*rows):
    document = {"at": "2026-01-02T03:04:05Z", "command": "make growth", "cpu": "A processor", "cores": 2}
    return Results({**document, "options": {"reps": 5}, "rows": list(rows)})


def every_operation(last_cpu_us=100.0):
    sizes = ((10_000, 100.0), (1_000_000, 110.0), (5_000_000, last_cpu_us))
    return results(*(row(one.name, messages, cpu_us) for one in OPERATIONS for messages, cpu_us in sizes))


class Ratios(unittest.TestCase):
    def verdict(self, *rows):
        (comparison,) = comparisons(results(*rows))
        return comparison.ratio("cpu_us"), comparison.verdict

    def test_the_limit_is_inclusive_and_compares_the_last_size_with_the_first(self):
        first, middle = row("claim_1", 10_000), row("claim_1", 1_000_000, 900.0)
        self.assertEqual(self.verdict(first, row("claim_1", 5_000_000, 130.0), middle), (1.3, "ok"))
        self.assertEqual(self.verdict(first, row("claim_1", 5_000_000, 131.0)), (1.31, "**missed**"))

    def test_a_slow_median_misses_the_target_too(self):
        self.assertEqual(self.verdict(row("claim_1", 10_000), row("claim_1", 5_000_000, 100.0, 1.4))[1], "**missed**")

    def test_an_operation_without_a_value_misses_its_target(self):
        self.assertEqual(self.verdict(row("claim_1", 10_000), row("claim_1", 5_000_000, None)), (None, "**missed**"))

    def test_an_error_misses_the_target(self):
        failed = row("claim_1", 5_000_000) | {"errors": 2}
        (comparison,) = comparisons(results(row("claim_1", 10_000), failed))
        self.assertEqual(comparison.verdict, "**missed**")
        self.assertIn("| claim (2 errors) |", table(results(row("claim_1", 10_000), failed))[2])

    def test_an_operation_without_a_target_has_no_verdict(self):
        self.assertEqual(self.verdict(row("timeline", 10_000), row("timeline", 5_000_000, 900.0)), (9.0, ""))


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.docs = Path(folder.name)
        self.page = self.docs / "benchmarks.md"
        self.page.write_text(f"# Benchmarks\n\n{BEGIN}\nbefore\n{END}\n\nThe rest.\n")

    def test_each_measured_database_has_a_table_between_the_markers(self):
        every_operation().write(results_file(self.docs, "sqlite"))
        every_operation(140.0).write(results_file(self.docs, "mariadb"))
        write_report(self.docs)
        page = self.page.read_text()
        self.assertTrue(page.startswith(f"# Benchmarks\n\n{BEGIN}\n"))
        self.assertTrue(page.endswith(f"{END}\n\nThe rest.\n"))
        self.assertLess(page.index("### SQLite"), page.index("### MariaDB"))
        self.assertNotIn("PostgreSQL", page)
        judged = sum(operation.has_target for operation in OPERATIONS)
        self.assertIn(f"Targets met: {judged} of {judged}.", page)
        self.assertIn(f"Targets met: 0 of {judged}.", page)

    def test_a_row_has_the_values_of_all_sizes_and_both_ratios(self):
        lines = table(every_operation(120.0))
        self.assertEqual(lines[0], "| | CPU, 10 k | 1 M | 5 M | ÷ | p50, 10 k | 1 M | 5 M | ÷ | |")
        row = "| claim | 100 µs | 110 µs | 120 µs | 1.20 | 1.00 ms | 1.00 ms | 1.00 ms | 1.00 | ok |"
        self.assertIn(row, lines)
        self.assertEqual({line.count("|") for line in lines}, {11})

    def test_operations_without_a_latency_leave_their_cells_empty(self):
        (line,) = table(results(row("idle", 10_000, 5.0, None), row("idle", 100_000, 5.0, None)))[2:]
        self.assertTrue(line.endswith("| 5 µs | 5 µs | 1.00 |  |  |  |  |"), line)

    def test_sizes_are_short(self):
        self.assertEqual([size(n) for n in (10_000, 1_500_000, 5_000_000)], ["10 k", "1.5 M", "5 M"])

    def test_the_summary_counts_targets_only(self):
        self.assertEqual(summary(results(row("timeline", 10_000), row("claim_1", 10_000))), "Targets met: 1 of 1.")


class SeededHistory(unittest.TestCase):
    def test_the_open_work_is_the_same_at_every_size(self):
        counts = {len(History(messages).unclaimed_threads()) for messages in (10_000, 1_000_000, 5_000_000)}
        self.assertEqual(counts, {150})
        self.assertRaises(NotMeasured, History, 15_000)

    def test_open_threads_are_spread_over_the_numbers(self):
        for messages in (10_000, 5_000_000):
            numbers = {number_of(thread) for thread in History(messages).unclaimed_threads()}
            self.assertGreater(len(numbers), NUMBERS // 2)

    def test_a_pool_has_two_users(self):
        self.assertTrue(all(len(set(pool_of(number))) == 2 for number in range(NUMBERS)))

    def test_ids_grow_with_the_thread(self):
        self.assertLess(thread_id(9), thread_id(10))
        self.assertEqual(len(thread_id(0)), len("thr_") + 32)

    def test_sqlite_accepts_every_statement(self):
        """Tables with the columns of the statements show that the generated SQL is valid, and how many rows it adds."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        database = open_database("sqlite", 10_000, Path(folder.name))
        self.assertIsInstance(database, Sqlite)
        seed_into_bare_tables(database)
        for table_name, rows in (("thread", 500), ("message", 10_000), ("notification", 10_000), ("read_mark", 1000)):
            self.assertEqual(database.value(f"SELECT COUNT(*) FROM {table_name}"), rows)
        self.assertEqual(database.value("SELECT COUNT(*) FROM thread WHERE status = 'UNCLAIMED'"), 150)
        self.assertEqual(database.value("SELECT COUNT(*) FROM thread WHERE status = 'CLAIMED'"), 50)
        self.assertEqual(database.value("SELECT COUNT(*) FROM notification WHERE read_at IS NULL"), 300)


def seed_into_bare_tables(database):
    statements = list(Seeding(database, History(10_000)).statements())
    connection = sqlite3.connect(database.file)
    connection.executescript(
        "CREATE TABLE phone_number (agency_id, id, twilio_account_id, e164);"
        "CREATE TABLE assignment (agency_id, phone_number_id, user_id, is_primary);"
        "CREATE TABLE agency_position (agency_id, position); INSERT INTO agency_position VALUES ('a', 7);"
    )
    for n in range(NUMBERS):
        connection.execute("INSERT INTO phone_number VALUES ('a', ?, 't', ?)", (f"number {n:02}", f"+1{n:02}"))
        members = [("a", f"number {n:02}", user, place == 0) for place, user in enumerate(pool_of(n))]
        connection.executemany("INSERT INTO assignment VALUES (?, ?, ?, ?)", members)
    for statement in statements:
        if statement.startswith("INSERT INTO "):
            table_name, _, rest = statement.removeprefix("INSERT INTO ").partition(" ")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table_name} {rest[: rest.index(')') + 1]}")
    connection.commit()
    connection.close()
    database.seed(statements)


class CpuTime(unittest.TestCase):
    def test_the_time_of_a_child_that_has_ended_counts(self):
        busy = "import time\nwhile time.process_time() < 0.2: pass"
        parent = f"import subprocess, sys; input(); subprocess.run([sys.executable, '-c', {busy!r}]); print(); input()"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", parent], **pipes) as process:
            meter = CpuMeter([process.pid, None])
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()
            used = meter.used_us()
            process.stdin.write(b"\n")
        self.assertGreater(used, 190_000)


class Requests(unittest.TestCase):
    def test_every_query_has_a_balanced_document(self):
        bodies = query_bodies("cursor", thread_id(1), "name")
        self.assertEqual(set(bodies), {operation.name for operation in QUERIES})
        for name, body in bodies.items():
            self.assertEqual(body["query"].count("{"), body["query"].count("}"), name)


if __name__ == "__main__":
    unittest.main()
