#!/usr/bin/env python3
"""What `ramie run` costs programs that use no fibers: time and CPU, beside the same without it.

    benchmarks/launcher_cost.py build/release [--rounds 15] [--only NAME] [--library NAME=FILE]

Every round runs each workload plain, patched, with an empty library preloaded, and plain again, in
an order that changes from round to round; with --library also with that one preloaded, as of
another build. A cost is the median over the rounds of patched / plain within one round, in per
cent, with the middle half of them in brackets; "plain again" tells the noise, "empty library" what
nothing that is preloaded can fall below. A round in which somebody outside slows the machine down
is repeated.
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


def empty_library(folder):
    """A library that does nothing and needs no other."""
    file = folder / "empty.so"
    subprocess.run(["cc", "-shared", "-nostdlib", "-x", "c", "/dev/null", "-o", str(file)], check=True)
    return file


def measure(command, preloaded=None):
    """Seconds on the clock, and of CPU with all that the command waited for."""
    environment = dict(os.environ, LD_PRELOAD=str(preloaded)) if preloaded else None
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return took, usage.ru_utime + usage.ru_stime


def one_round(command, launcher, libraries, turn):
    ways = [("plain", command), ("ramie run", [launcher, "run", *command]),
            *((name, command, library) for name, library in libraries.items()),
            ("plain again", command)]
    turn %= len(ways)
    return {name: measure(*how) for name, *how in ways[turn:] + ways[:turn]}


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
    print(f"\n{name}: {plain:.2f} s of CPU plain\n\n| | CPU | time |\n|---|---:|---:|")
    for way in sorted(rounds[0]):
        if way != "plain":
            print(f"| {way} | {extra(rounds, way, 1)} | {extra(rounds, way, 0)} |", flush=True)


def run(build, rounds, only, others):
    os.environ["RAMIE_BUILD"] = str(build)
    import programs
    import servers
    gauge = Gauge(range(os.cpu_count()))
    port = programs.free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        libraries = {"empty library": empty_library(folder), **others}
        with open(folder / "large", "wb") as large:
            large.truncate(10**9)
        with programs.running(*servers.nginx_command(folder, f"listen 127.0.0.1:{port};")) as server:
            programs.wait_for_port(port, server)
            for title, command in workloads(port).items():
                if only in title:
                    report(title, [calm_round(gauge, command, programs.RAMIE, libraries, turn)
                                   for turn in range(rounds)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="a part of the name of a workload")
    parser.add_argument("--library", action="append", default=[], metavar="NAME=FILE")
    given = parser.parse_args()
    run(given.build, given.rounds, given.only, dict(each.split("=", 1) for each in given.library))
