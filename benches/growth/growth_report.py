"""Writes the report: a table per database in docs/benchmarks.md, and the same tables on the terminal."""

from operations import LIMIT, OPERATIONS
from shared import Results, paragraph, replace_section

BEGIN = "<!-- make growth: begin. Everything up to the end is generated. -->"
END = "<!-- make growth: end -->"
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mariadb": "MariaDB"}


def results_file(docs, database):
    return docs / "benchmarks" / f"growth-{database}.json"


class Comparison:
    """The results of one operation at all sizes."""

    def __init__(self, operation, rows):
        self.operation = operation
        self.rows = sorted((row for row in rows if row["name"] == operation.name), key=lambda row: row["messages"])

    def values(self, field):
        return [row.get(field) for row in self.rows]

    def errors(self):
        return sum(row.get("errors", 0) for row in self.rows)

    def ratio(self, field):
        """The value with the most messages divided by that with the fewest; None if there is none."""
        first, last = self.values(field)[0], self.values(field)[-1]
        return last / first if first and last is not None else None

    @property
    def verdict(self):
        if not self.operation.has_target:
            return ""
        if self.errors():
            return "**missed**"
        ratios = (self.ratio("cpu_us"), self.ratio("p50_ms"))
        return "ok" if all(ratio is not None and ratio <= LIMIT for ratio in ratios) else "**missed**"


def comparisons(results):
    compared = (Comparison(operation, results.rows) for operation in OPERATIONS)
    return [comparison for comparison in compared if comparison.rows]


def size(messages):
    for unit, divisor in (("M", 1_000_000), ("k", 1_000)):
        if messages >= divisor:
            return f"{messages / divisor:g} {unit}"
    return str(messages)


def table(results):
    compared = comparisons(results)
    sizes = [size(row["messages"]) for row in max(compared, key=lambda comparison: len(comparison.rows)).rows]
    heads = [f"CPU, {sizes[0]}", *sizes[1:], "÷", f"p50, {sizes[0]}", *sizes[1:], "÷"]
    lines = [f"| | {' | '.join(heads)} | |", "|---|" + "---:|" * len(heads) + "---|"]
    for comparison in compared:
        errors = comparison.errors()
        cells = [comparison.operation.label + (f" ({errors:,} errors)" if errors else "")]
        for field, unit in (("cpu_us", "µs"), ("p50_ms", "ms")):
            form = "{:,.0f} " if unit == "µs" else "{:,.2f} "
            cells += ["" if value is None else form.format(value) + unit for value in comparison.values(field)]
            ratio = comparison.ratio(field)
            cells.append("" if ratio is None else f"{ratio:.2f}")
        lines.append(f"| {' | '.join(cells)} | {comparison.verdict} |")
    return lines


def summary(results):
    judged = [comparison for comparison in comparisons(results) if comparison.verdict]
    met = sum(comparison.verdict == "ok" for comparison in judged)
    return f"Targets met: {met} of {len(judged)}."


def provenance(results):
    document = results.document
    commit = f" at commit {document['commit']}" if document.get("commit") else ""
    return paragraph(
        f"Measured on {document['at'][:10]} by `{document['command']}`{commit}, on {document['cores']} cores "
        f"({document['cpu']}): medians of {document['options']['reps']} repetitions."
    )


def section(all_results):
    """The generated part of docs/benchmarks.md, from the results by database."""
    lines = [BEGIN, ""]
    for database, label in DATABASES.items():
        if results := all_results.get(database):
            lines += [f"### {label}", "", *provenance(results), *table(results), "", summary(results), ""]
    return "\n".join([*lines, END])


def write_report(docs):
    """Updates benchmarks.md from the files of the databases that have been measured."""
    files = {database: results_file(docs, database) for database in DATABASES}
    all_results = {database: Results.read(file) for database, file in files.items() if file.exists()}
    page = docs / "benchmarks.md"
    page.write_text(replace_section(page.read_text(), section(all_results), BEGIN, END))
