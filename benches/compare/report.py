"""Writes the report: the tables in docs/benchmarks.md, the pictures beside it, and the table on the terminal.

Parts that were not measured are left out, and their pictures are deleted.
"""

import textwrap

from charts import Chart, Series, number, svg
from targets import targets_of

BEGIN = "<!-- make compare: begin. Everything up to the end is generated. -->"
END = "<!-- make compare: end -->"

SERVERS = {"partyline": "Partyline", "yoga": "GraphQL Yoga", "mercurius": "Mercurius", "limit": "raw server"}
COLORS = {"partyline": "#0072b2", "yoga": "#e69f00", "mercurius": "#009e73", "limit": "#8c959f"}
# What the raw server does in each part.
RAW = {
    "sms": "raw batches behind a bare route",
    "inbox": "one SQL statement and serde",
    "fan": "raw write loop",
}

PER_SECOND, MS, US, KIB = "{:,.0f}", "{:.2f} ms", "{:,.0f} µs", "{:.1f} KiB"
# Label, part, number of clients, field, format.
TABLE = [
    ("texts per second, 1 client", "sms", 1, "rps", PER_SECOND),
    ("texts per second, 16 clients", "sms", 16, "rps", PER_SECOND),
    ("texts per second, 64 clients", "sms", 64, "rps", PER_SECOND),
    ("p99 of a text, 64 clients", "sms", 64, "p99_ms", MS),
    ("CPU per text, 64 clients", "sms", 64, "cpu_us", US),
    ("calls per second, 64 clients", "voice", 64, "rps", PER_SECOND),
    ("CPU per call, 64 clients", "voice", 64, "cpu_us", US),
    ("inboxes per second, 1 client", "inbox", 1, "rps", PER_SECOND),
    ("inboxes per second, 16 clients", "inbox", 16, "rps", PER_SECOND),
    ("CPU per inbox, 16 clients", "inbox", 16, "cpu_us", US),
    ("claims per second, 16 clients", "claim", 16, "rps", PER_SECOND),
    ("CPU per claim, 16 clients", "claim", 16, "cpu_us", US),
    ("p99 of a delivery, 1,000 subscribers", "fan 1000", None, "p99_ms", MS),
    ("CPU per delivery, 1,000 subscribers", "fan 1000", None, "cpu_us", US),
    ("memory per idle subscriber, 1,000 subscribers", "fan 1000", None, "idle_kib", KIB),
    ("last delivery, 10,000 subscribers", "fan 10000", None, "last_ms", MS),
    ("CPU per delivery, 10,000 subscribers", "fan 10000", None, "cpu_us", US),
    ("memory per idle subscriber, 10,000 subscribers", "fan 10000", None, "idle_kib", KIB),
]

# File, title, unit, and for each group its label, part, number of clients and field.
TEXT_CLIENTS = ((1, "1 client"), (16, "16 clients"), (64, "64 clients"))
INBOX_CLIENTS = ((1, "1 client"), (16, "16 clients"))
SUBSCRIBERS = ((1000, "1,000 subscribers"), (10000, "10,000 subscribers"))
DELAYS = (("p50_ms", "p50"), ("p99_ms", "p99"), ("last_ms", "last"))
PICTURES = [
    ("texts", "Texts", "per second", [(label, "sms", count, "rps") for count, label in TEXT_CLIENTS]),
    ("text-cpu", "CPU per text", "µs", [(label, "sms", count, "cpu_us") for count, label in TEXT_CLIENTS]),
    ("inbox", "Inboxes", "per second", [(label, "inbox", count, "rps") for count, label in INBOX_CLIENTS]),
    ("claims", "Claims", "per second", [("16 clients claim the same threads", "claim", 16, "rps")]),
    ("delivery", "Delivery to 1,000 subscribers", "ms", [(label, "fan 1000", None, field) for field, label in DELAYS]),
    ("delivery-cpu", "CPU per delivery", "µs", [(label, f"fan {n}", None, "cpu_us") for n, label in SUBSCRIBERS]),
    ("memory", "Memory per idle subscriber", "KiB", [(label, f"fan {n}", None, "idle_kib") for n, label in SUBSCRIBERS]),
]


def chart(results, title, unit, groups):
    """The chart of one picture; it may have no values."""
    part = groups[0][1].split()[0]
    series = []
    for name, label in SERVERS.items():
        if name == "limit":
            label = RAW.get(part, label)
        values = [results.value(of_part, name, clients, field) for _, of_part, clients, field in groups]
        series.append(Series(label, COLORS[name], values))
    return Chart(title, unit, [group[0] for group in groups], series)


def table(results):
    """The main table, without the rows and columns that have no value."""
    rows = []
    for label, part, clients, field, form in TABLE:
        values = {name: results.value(part, name, clients, field) for name in SERVERS}
        if values["partyline"] is not None:
            rows.append((label, {name: form.format(value) for name, value in values.items() if value is not None}))
    names = [name for name in SERVERS if any(name in values for _, values in rows)]
    lines = [
        f"| | {' | '.join(SERVERS[name] for name in names)} |",
        "|---|" + "---:|" * len(names),
    ]
    lines += [f"| {label} | {' | '.join(values.get(name, '') for name in names)} |" for label, values in rows]
    return lines


def raw_batches(results):
    """One sentence about SQLite alone."""
    parts = []
    for batch, label in ((64, "in transactions of 64"), (1, "in transactions of one")):
        row = results.row("sms", f"raw SQLite, batch {batch}", 0)
        if row:
            parts.append(f"{row['rps']:,.0f} texts per second {label} ({row['cpu_us']:.0f} µs of CPU per text)")
    if not parts:
        return []
    return paragraph(f"Without HTTP and signatures, SQLite stores {' and '.join(parts)}.")


def target_table(results):
    targets = targets_of(results)
    met = sum(target.met for target in targets)
    lines = [f"Targets met: {met} of {len(targets)}.", "", "| target | measured | limit | |", "|---|---:|---:|---|"]
    for target in targets:
        value = "none" if target.value is None else quantity(target.value, target.unit)
        limit = f"{target.comparison} {quantity(target.limit, target.unit)}"
        lines.append(f"| {target.text} | {value} | {limit} | {'ok' if target.met else '**missed**'} |")
    return lines


def quantity(value, unit):
    """The value with at most two decimals. A ratio has no unit in the tables of docs/benchmarks.md."""
    shown = f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{shown} {unit}" if unit and unit != "×" else shown


def provenance(results):
    """One sentence about the machine, the command and the time."""
    document = results.document
    options = document["options"]
    by = f"`{document['command']}`" if document.get("command") else "the comparison from which this one is adapted"
    commit = f" at commit {document['commit']}" if document.get("commit") else ""
    return paragraph(
        f"Measured on {document['at'][:10]} by {by}{commit}, on {document['cores']} cores "
        f"({document['cpu']}): medians of {options['reps']} repetitions of {options['secs']} s."
    )


def paragraph(text):
    """The lines of a paragraph, as wide as those of the other documents, and an empty line."""
    return [*textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False), ""]


def section(results, pictures):
    """The generated part of docs/benchmarks.md."""
    lines = [BEGIN, "", *provenance(results), *table(results), "", *raw_batches(results)]
    for name, alternative in pictures:
        lines += [f"![{alternative}](benchmarks/{name}.svg)", ""]
    return "\n".join([*lines, *target_table(results), "", END])


def write_pictures(results, folder):
    """Writes the pictures that have values and returns their names and titles."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, title, unit, groups in PICTURES:
        file = folder / f"{name}.svg"
        picture = chart(results, title, unit, groups)
        if picture.has_values():
            file.write_text(svg(picture))
            written.append((name, f"Bar chart: {title} ({unit})"))
        else:
            file.unlink(missing_ok=True)
    return written


def replace_section(page, section, begin, end):
    """Puts the section, which includes the two markers, in place of what is between them on the page."""
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise SystemExit(f"benchmarks.md must have the lines {begin} and {end}")
    return before + section + after


def write_report(results, docs):
    """Updates benchmarks.md and the folder benchmarks/ in `docs`."""
    results.write(docs / "benchmarks/compare.json")
    pictures = write_pictures(results, docs / "benchmarks")
    page = docs / "benchmarks.md"
    page.write_text(replace_section(page.read_text(), section(results, pictures), BEGIN, END))


def print_report(results):
    """Prints every row and every target."""

    def cell(row, field, width):
        value = row.get(field)
        return f"{number(value) if value is not None else '-':>{width}}"

    fields = (("rps", 9), ("p50_ms", 8), ("p99_ms", 8), ("last_ms", 8), ("cpu_us", 8), ("idle_kib", 8))
    print(f"{'part':<10} {'server':<22} {'clients':>7}", *(f"{field:>{width}}" for field, width in fields), "errors")
    for row in results.rows:
        cells = (cell(row, field, width) for field, width in fields)
        print(f"{row['part']:<10} {row['name']:<22} {row.get('c', ''):>7}", *cells, f"{row['errors']:>6}")
    print()
    for target in targets_of(results):
        value = "none" if target.value is None else quantity(target.value, target.unit)
        limit = f"{target.comparison} {quantity(target.limit, target.unit)}"
        print(f"target {target.text} {limit}: measured {value} {'ok' if target.met else 'MISSED'}")
