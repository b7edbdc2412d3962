"""What an operation costs: CPU time of Partyline and of the database server."""

import contextlib
import os
import signal
import time
from pathlib import Path

SETTLE = 0.2  # seconds


class CpuMeter:
    """The CPU time of some processes with their descendants, from /proc.

    The time of a running thread is exact. That of a process that has ended, such as a parallel worker of PostgreSQL, is
    what its parent has collected, in ticks. Only the time of a thread that ends before its process is lost.
    """

    def __init__(self, pids):
        self.roots = [pid for pid in pids if pid is not None]
        self.before = self.read()

    def used_us(self):
        after = self.read()
        running = {pid for pid, _ in after}
        used = sum(time - self.before.get(key, 0) for key, time in after.items())
        # The parent has collected the whole time of these, of which this part is older.
        return (used - sum(time for (pid, _), time in self.before.items() if pid not in running)) / 1000

    def read(self):
        """Nanoseconds by process and thread; those of ended children by process and None."""
        times = {}
        for pid in descendants(self.roots):
            with contextlib.suppress(OSError):  # it has ended
                ticks = sum(map(int, fields_of(Path(f"/proc/{pid}/stat"))[13:15]))
                times[pid, None] = ticks * 10**9 // os.sysconf("SC_CLK_TCK")
                for schedule in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                    times[pid, int(schedule.parent.name)] = int(schedule.read_text().split()[0])
        return times


def fields_of(stat):
    """The fields of a process after its name (proc_pid_stat(5)), which may contain spaces."""
    return stat.read_text().rpartition(")")[2].split()


def descendants(roots):
    """These processes and all processes below them."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # the process has ended
            parent = fields_of(stat)[1]
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, left = [], list(roots)
    while left:
        pid = left.pop()
        found.append(pid)
        left += children.get(pid, [])
    return found


@contextlib.contextmanager
def paused(servers):
    """Stops the servers meanwhile, so that their background tasks use no CPU time, not even of the database server."""
    for server in servers:
        os.kill(server.process.pid, signal.SIGSTOP)
    try:
        time.sleep(SETTLE)
        yield
    finally:
        for server in servers:
            os.kill(server.process.pid, signal.SIGCONT)
