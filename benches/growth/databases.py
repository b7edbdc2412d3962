"""The three kinds of database: their command line clients, the dialect of the seeding, and their processes."""

import hashlib
import os
import sqlite3
import subprocess
import time
from urllib.parse import urlsplit

from shared import NotMeasured

# The first eight bytes of all seeded ids: a UUID of version 7 from 2024, so that they sort before new ids.
ID_PREFIX = "0190000000007000"
TABLES = "contact thread thread_activity message delivery_step event notification read_mark".split()
REFERENCES = (
    ("thread", "contact_id", "contact"),
    ("thread", "phone_number_id", "phone_number"),
    ("thread", "assignee_id", "user_account"),
    ("thread_activity", "thread_id", "thread"),
    ("message", "thread_id", "thread"),
    ("delivery_step", "message_id", "message"),
    ("notification", "thread_id", "thread"),
    ("notification", "user_id", "user_account"),
    ("read_mark", "thread_id", "thread"),
)


def open_database(kind, messages, folder):
    """The database of this kind for as many messages. It may not exist yet."""
    if kind == "sqlite":
        return Sqlite(folder / f"growth{messages}.db")
    url, pid = os.environ.get("PARTYLINE_TEST_DATABASE_URL"), os.environ.get("PARTYLINE_TEST_DATABASE_PID")
    if not url or not pid:
        raise NotMeasured(f"no server is running; use: scripts/test-databases run {kind} -- COMMAND")
    return {"postgres": Postgres, "mariadb": MariaDb}[kind](url, int(pid), f"growth{messages}")


class Sqlite:
    divide = "/"

    def __init__(self, file):
        self.file = file
        self.url = f"sqlite://{file}?mode=rwc"
        self.server_pid = None

    def create(self):
        """Does nothing: Partyline creates the file."""

    def exists(self):
        return self.file.exists()

    def connect(self):
        connection = sqlite3.connect(self.file, isolation_level=None)
        connection.create_function("md5", 1, lambda n: hashlib.md5(str(n).encode()).hexdigest(), deterministic=True)
        connection.create_function("seeded_id", 2, seeded_id, deterministic=True)
        connection.create_function("concat", -1, lambda *parts: "".join(map(str, parts)), deterministic=True)
        return connection

    def seed(self, statements):
        """Runs the statements in one session, without syncing: an interruption only loses this database."""
        connection = self.connect()
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.close()

    def value(self, query):
        """The only value that the query returns."""
        connection = self.connect()
        (value,) = connection.execute(query).fetchone()
        connection.close()
        return value

    def dangling_references(self):
        connection = self.connect()
        rows = connection.execute("PRAGMA foreign_key_check").fetchall()
        connection.close()
        return len(rows)

    def settle(self):
        """Does nothing: Partyline never runs ANALYZE on SQLite, and no other process writes to the file."""

    def megabytes(self):
        return self.file.stat().st_size / 1e6

    def series(self, first, count):
        """A table with the column n, from `first` on."""
        step = f"SELECT n + 1 FROM numbers WHERE n + 1 < {first + count}"
        return f"(WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL {step}) SELECT n FROM numbers) AS series"

    def id(self, kind, number):
        return f"seeded_id('{kind}', {number})"

    def time(self, seconds):
        """The time that is `seconds` after the epoch, as the driver stores it."""
        return f"(strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch') || '.000001+00:00')"


def seeded_id(kind, number):
    return bytes.fromhex(ID_PREFIX + kind) + number.to_bytes(7)


class DatabaseServer:
    """A database on a server of `scripts/test-databases`."""

    divide = "/"

    def __init__(self, server_url, server_pid, name):
        self.server_url, self.server_pid, self.name = urlsplit(server_url), server_pid, name
        self.url = self.server_url._replace(path=f"/{name}").geturl()

    def query(self, sql, database=None):
        """The output of the client, without headers, for one or more statements."""
        command, environment = self.client(database or self.name)
        done = subprocess.run(command, input=sql, env={**os.environ, **environment}, capture_output=True, text=True)
        if done.returncode:
            raise NotMeasured(f"{command[0]}: {done.stderr[-600:]}")
        return done.stdout.strip()

    def value(self, query):
        return int(float(self.query(f"{query};")))

    def create(self):
        self.query(f"CREATE DATABASE {self.name};", self.system_database)

    def dangling_references(self):
        missing = (
            f"SELECT COUNT(*) FROM {table} AS child LEFT JOIN {parent} AS parent ON parent.agency_id = child.agency_id "
            f"AND parent.id = child.{column} WHERE child.{column} IS NOT NULL AND parent.id IS NULL"
            for table, column, parent in REFERENCES
        )
        return self.value(f"SELECT {' + '.join(f'({query})' for query in missing)}")

    def megabytes(self):
        return self.value(self.size_query) / 1e6


class Postgres(DatabaseServer):
    system_database = "postgres"
    size_query = "SELECT pg_database_size(current_database())"

    def client(self, database):
        url = self.server_url._replace(path=f"/{database}").geturl()
        return ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url], {}

    def exists(self):
        query = f"SELECT COUNT(*) FROM pg_database WHERE datname = '{self.name}';"
        return int(self.query(query, self.system_database)) == 1

    def seed(self, statements):
        # Foreign keys are checked at the end, because a check per row takes most of the time.
        settings = ("synchronous_commit = off", "session_replication_role = replica")
        self.query("".join(f"{sql};\n" for sql in (*(f"SET {setting}" for setting in settings), *statements)))

    def settle(self):
        """Does what autovacuum and the checkpointer would do later, so that they are idle while others are measured."""
        self.query("VACUUM (FREEZE, ANALYZE);\nCHECKPOINT;")

    def series(self, first, count):
        return f"generate_series({first}, {first + count - 1}) AS series (n)"

    def id(self, kind, number):
        return f"concat('{ID_PREFIX}{kind}', lpad(to_hex({number}), 14, '0'))::uuid"

    def time(self, seconds):
        return f"to_timestamp({seconds})"


class MariaDb(DatabaseServer):
    divide = "DIV"
    system_database = "mysql"
    size_query = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
    # A large cache and redo log make random inserts into indexes several times faster.
    SEEDING = {
        "innodb_buffer_pool_size": 6 << 30,
        "innodb_log_file_size": 2 << 30,
        "innodb_flush_log_at_trx_commit": 0,
    }
    # By default, InnoDB writes 200 pages per second while it is idle.
    FLUSHING = {"innodb_io_capacity_max": 100_000, "innodb_io_capacity": 100_000, "innodb_max_dirty_pages_pct": 0}
    FLUSH_TIMEOUT = 300

    def client(self, database):
        host, port, user = self.server_url.hostname, self.server_url.port, self.server_url.username
        command = ["mariadb", "--no-defaults", f"--host={host}", f"--port={port}", f"--user={user}"]
        return [*command, "--batch", "--skip-column-names", database], {"MYSQL_PWD": self.server_url.password}

    def exists(self):
        query = f"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{self.name}';"
        return int(self.query(query, self.system_database)) == 1

    def set(self, settings):
        self.query("".join(f"SET GLOBAL {name} = {value};" for name, value in settings.items()))

    def change(self, settings):
        """Sets these settings and returns their previous values."""
        before = {name: self.value(f"SELECT @@GLOBAL.{name}") for name in settings}
        self.set(settings)
        return before

    def seed(self, statements):
        before = self.change(self.SEEDING)
        session = "SET unique_checks = 0, foreign_key_checks = 0, time_zone = '+00:00';\n"
        self.query(session + "".join(f"{sql};\n" for sql in statements))
        self.flush()
        self.set(before)

    def flush(self):
        """Writes all changed pages, so that this is not done while others are measured."""
        before = self.change(self.FLUSHING)
        end = time.time() + self.FLUSH_TIMEOUT
        while self.status("Innodb_buffer_pool_pages_dirty") > 100 and time.time() < end:
            time.sleep(0.5)
        self.set(before)

    def status(self, name):
        return self.value(f"SELECT variable_value FROM information_schema.global_status WHERE variable_name = '{name}'")

    def settle(self):
        """Collects the statistics that InnoDB would collect soon, because the tables grew by more than a tenth."""
        self.query("".join(f"ANALYZE TABLE {table};" for table in TABLES))
        self.flush()

    def series(self, first, count):
        return f"(SELECT seq AS n FROM seq_{first}_to_{first + count - 1}) AS series"

    def id(self, kind, number):
        return f"unhex(concat('{ID_PREFIX}{kind}', lpad(hex({number}), 14, '0')))"

    def time(self, seconds):
        return f"from_unixtime({seconds})"
