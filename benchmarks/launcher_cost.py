#!/usr/bin/env python3
"""What `ramie run` costs programs that use no fibers: time and CPU, beside the same without it.

    benchmarks/launcher_cost.py build/release [--rounds 15] [--only NAME]

Every round runs each workload plain, patched and plain again, in an order that changes from round
to round. A cost is the median over the rounds of patched / plain within one round, in per cent,
with the middle half of them in brackets; "noise" is the same of plain again / plain. A round in
which somebody outside slows the machine down is repeated.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path += [str(HERE / "net"), str(HERE.parent / "tests/system")]
from calm import CALM, Gauge  # noqa: E402

PIPELINES = """
for i in $(seq 100); do
    printf '%s\\n' c a b | while read -r line; do x=$line; done
    y=$(echo "$i" | { read -r z; echo "$z"; })
done
"""
PROGRAMS = "for i in $(seq 200); do /bin/true; done"
TRANSFERS = """
import socket
a, b = socket.socketpair()
for i in range(300_000):
    a.send(b"x" * 64)
    b.recv(64)
"""
COMPUTING = "sum(i * i for i in range(5_000_000))"


def workloads(port):
    return {
        "bash, 200 pipelines of subshells": ["bash", "-c", PIPELINES],
        "sh, 200 times /bin/true": ["sh", "-c", PROGRAMS],
        "python, 300,000 times send and recv": ["/usr/bin/python3", "-c", TRANSFERS],
        "python, computing": ["/usr/bin/python3", "-c", COMPUTING],
        "curl, 1 GB over HTTP": ["curl", "--silent", "--output", "/dev/null",
                                 f"http://127.0.0.1:{port}/large"],
    }


def measure(command):
    """Seconds on the clock, and of CPU with all that the command waited for."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return took, usage.ru_utime + usage.ru_stime


def one_round(command, launcher, turn):
    ways = [("plain", command), ("patched", [launcher, "run", *command]), ("again", command)]
    ways = ways[turn % 3:] + ways[:turn % 3]
    return {name: measure(each) for name, each in ways}


def calm_round(gauge, *arguments):
    for _ in range(10):
        before = gauge.slowness()
        os.sched_setaffinity(0, range(os.cpu_count()))
        found = one_round(*arguments)
        if max(before, gauge.slowness()) < CALM:
            break
    return found


def extra(rounds, way, which):
    costs = [100 * (each[way][which] / each["plain"][which] - 1) for each in rounds]
    low, middle, high = statistics.quantiles(costs, n=4)
    return f"{middle:+.1f} % [{low:+.1f}, {high:+.1f}]"


def report(name, rounds):
    plain = statistics.median(each["plain"][1] for each in rounds)
    print(f"| {name} | {plain:.2f} | {extra(rounds, 'patched', 1)} | {extra(rounds, 'again', 1)} | "
          f"{extra(rounds, 'patched', 0)} | {extra(rounds, 'again', 0)} |", flush=True)


def run(build, rounds, only):
    os.environ["RAMIE_BUILD"] = str(build)
    import programs
    import servers
    gauge = Gauge(range(os.cpu_count()))
    port = programs.free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with open(folder / "large", "wb") as large:
            large.truncate(10**9)
        with programs.running(*servers.nginx_command(folder, f"listen 127.0.0.1:{port};")) as server:
            programs.wait_for_port(port, server)
            print("| program | plain CPU s | CPU | noise | time | noise |\n|---|---:|---:|---:|---:|---:|")
            for title, command in workloads(port).items():
                if only in title:
                    report(title, [calm_round(gauge, command, programs.RAMIE, turn)
                                   for turn in range(rounds)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="a part of the name of a workload")
    given = parser.parse_args()
    run(given.build, given.rounds, given.only)
