"""Tests of the report with made-up results; nothing is measured. Run by `make check-compare`."""

import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from charts import Chart, Series, axis_step, number, svg
from report import BEGIN, END, PICTURES, write_report
from results import Results
from targets import targets_of

SVG = "{http://www.w3.org/2000/svg}"


def load_row(part, name, clients, **fields):
    row = {"part": part, "name": name, "c": clients, "errors": 0, "rps": 1000.0, "p50_ms": 1.0, "p99_ms": 2.0}
    return {**row, "cpu_us": 100.0, **fields}


def delivery_row(subscribers, name, **fields):
    row = {"part": f"fan {subscribers}", "name": name, "errors": 0, "missing": 0, "extra": 0, "cpu_us": 10.0}
    return {**row, "p50_ms": 5.0, "p99_ms": 9.0, "last_ms": 12.0, "idle_kib": 5.0, **fields}


def results(*rows):
    options = {"reps": 5, "secs": 1.5}
    document = {"at": "2026-01-02T03:04:05Z", "command": "make compare", "cpu": "A processor", "cores": 2}
    return Results({**document, "options": options, "rows": list(rows)})


def every_part():
    servers = ("partyline", "limit", "yoga", "mercurius")
    rows = [load_row("sms", name, clients) for name in servers for clients in (1, 16, 64)]
    rows += [load_row("sms", f"raw SQLite, batch {batch}", 0, p99_ms=None) for batch in (1, 64)]
    rows += [load_row("voice", name, 64) for name in ("partyline", "limit")]
    rows += [load_row("inbox", name, clients) for name in servers for clients in (1, 16)]
    rows += [load_row("claim", name, 16, raced=9, won=9, max_wins=1) for name in ("partyline", "yoga", "mercurius")]
    rows += [delivery_row(1000, name) for name in ("partyline", "limit", "yoga")]
    return results(*rows, *(delivery_row(10000, name) for name in ("partyline", "limit")))


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.docs = Path(folder.name)
        self.page = self.docs / "benchmarks.md"
        self.page.write_text(f"# Benchmarks\n\n{BEGIN}\nbefore\n{END}\n\nThe rest.\n")

    def pictures(self):
        return {file.stem for file in self.docs.glob("benchmarks/*.svg")}

    def test_every_part_has_a_picture_and_rows(self):
        write_report(every_part(), self.docs)
        page = self.page.read_text()
        self.assertEqual(self.pictures(), {name for name, *_ in PICTURES})
        self.assertIn("| | Partyline | GraphQL Yoga | Mercurius | raw server |", page)
        self.assertIn("| texts per second, 64 clients | 1,000 | 1,000 | 1,000 | 1,000 |", page)
        self.assertIn("| memory per idle subscriber, 10,000 subscribers | 5.0 KiB |  |  | 5.0 KiB |", page)

    def test_only_the_section_between_the_markers_changes(self):
        write_report(every_part(), self.docs)
        first = self.page.read_text()
        self.assertTrue(first.startswith(f"# Benchmarks\n\n{BEGIN}\n"))
        self.assertTrue(first.endswith(f"{END}\n\nThe rest.\n"))
        self.assertNotIn("before", first)
        write_report(Results.read(self.docs / "benchmarks/compare.json"), self.docs)
        self.assertEqual(self.page.read_text(), first)

    def test_parts_without_results_are_left_out(self):
        write_report(every_part(), self.docs)
        write_report(results(load_row("claim", "partyline", 16, raced=9, won=8, max_wins=2)), self.docs)
        page = self.page.read_text()
        self.assertEqual(self.pictures(), {"claims"})
        self.assertNotIn("texts per second", page)
        self.assertNotIn("Yoga |", page)
        self.assertIn("Targets met: 1 of 3.", page)

    def test_a_page_without_markers_is_an_error(self):
        self.page.write_text("# Benchmarks\n")
        self.assertRaises(SystemExit, write_report, every_part(), self.docs)


class TargetsOfResults(unittest.TestCase):
    def test_a_measured_part_without_a_value_misses_its_target(self):
        rows = [load_row("voice", "partyline", 64, rps=0, cpu_us=None), load_row("voice", "limit", 64)]
        self.assertEqual([(target.value, target.met) for target in targets_of(results(*rows))], [(None, False)] * 2)

    def test_limits_are_inclusive(self):
        rows = [load_row("voice", "partyline", 64, rps=250.0, cpu_us=451.0), load_row("voice", "limit", 64)]
        self.assertEqual([target.met for target in targets_of(results(*rows))], [True, False])

    def test_the_other_name_of_mercurius_is_known(self):
        rows = [load_row("sms", "partyline", 1), load_row("sms", "merc", 1)]
        self.assertIn("texts, 1 client ÷ Mercurius", [target.text for target in targets_of(results(*rows))])


class Charts(unittest.TestCase):
    def test_a_chart_has_a_bar_for_each_value_and_describes_it(self):
        series = [
            Series("A & B", "#000000", [1, None]),
            Series("C", "#111111", [2, 4]),
            Series("D", "#222222", [None, None]),
        ]
        root = ElementTree.fromstring(svg(Chart("Sizes <of> things", "KiB", ["small", "large"], series)))
        self.assertEqual(root.find(f"{SVG}title").text, "Sizes <of> things")
        description = "Sizes <of> things, in KiB. A & B: small 1.00. C: small 2.00, large 4.00."
        self.assertEqual(root.find(f"{SVG}desc").text, description)
        rectangles = [one for one in root.findall(f"{SVG}rect") if one.get("x") and one.get("y") != "48"]  # no legend
        heights = [float(one.get("height")) for one in rectangles]
        self.assertEqual(len(heights), 3)
        self.assertAlmostEqual(heights[2], 2 * heights[1], delta=0.2)

    def test_numbers_and_axes(self):
        self.assertEqual([number(value) for value in (0, 0.1234, 5.678, 45.67)], ["0", "0.123", "5.68", "45.7"])
        self.assertEqual(number(1234.4), "1,234")
        self.assertEqual([axis_step(value) for value in (3.9, 8659, 10000, 365)], [1, 2500, 2500, 100])


if __name__ == "__main__":
    unittest.main()
