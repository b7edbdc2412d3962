"""What an operation costs: CPU time of Partyline and of the database server."""

import contextlib
import os
import signal
import time
from pathlib import Path

SETTLE = 0.2  # seconds


class CpuMeter:
    """The CPU time of some processes with their descendants, in nanoseconds from /proc.

    It is read per thread. Of a thread that ends while it is measured, the time since the start is lost, but not taken
    from the others.
    """

    def __init__(self, pids):
        self.roots = [pid for pid in pids if pid is not None]
        self.before = self.read()

    def used_us(self):
        after = self.read()
        return sum(time - self.before.get(thread, 0) for thread, time in after.items()) / 1000

    def read(self):
        times = {}
        for pid in descendants(self.roots):
            for schedule in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):  # the thread has ended
                    times[schedule.parent.name] = int(schedule.read_text().split()[0])
        return times


def descendants(roots):
    """These processes and all processes below them."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # the process has ended
            parent = stat.read_text().rpartition(")")[2].split()[1]
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
