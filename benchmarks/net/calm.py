"""Tells calm moments from those in which somebody outside slows the machine down.

    gauge = Gauge([0, 1])
    if gauge.slowness() > CALM: ...      # 1.0: as fast as it has ever been

On a virtual machine a neighbour on the same physical core may double the cost of everything for
some seconds. No counter shows it; the time of a trivial system call does.
"""

import os
import time

CALM = 1.25
CALLS = 20000


class Gauge:
    def __init__(self, cpus):
        self.fastest = {cpu: float("inf") for cpu in cpus}
        for _ in range(20):
            self.slowness()
            time.sleep(0.05)

    def slowness(self):
        """Of the slowest CPU, compared with the fastest time that it has shown."""
        return max(self._slowness_of(cpu) for cpu in self.fastest)

    def _slowness_of(self, cpu):
        os.sched_setaffinity(0, {cpu})
        start = time.thread_time_ns()
        for _ in range(CALLS):
            os.getppid()
        taken = time.thread_time_ns() - start
        self.fastest[cpu] = min(self.fastest[cpu], taken)
        return taken / self.fastest[cpu]
