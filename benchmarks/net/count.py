#!/usr/bin/env -S python3 -B
"""Counts what an echo request costs a server: system calls and userland instructions.

    count.py --servers epoll=./epoll_echo,asio=./asio_echo --connections 100,1000

Each server runs under strace, then under callgrind, with N and with 2 N requests; half of what the
second run has more is the price of a request, free of start-up, accept and close. Counts hardly
depend on the machine's load, but a traced server is slow and so finds more events in each
epoll_wait than a free one.
"""

import argparse
import json
import re
import tempfile
from pathlib import Path

import echo_servers


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    echo_servers.add_common_arguments(parser)
    parser.add_argument("--requests", type=int, default=10000,
                        help="at least; no connection makes fewer than ten")
    parser.add_argument("--json", metavar="PATH", help="write every count there")
    arguments = echo_servers.parse(parser)

    machine = echo_servers.machine()
    print(machine)
    print("\n| connections | server | system calls/request | of these "
          "| userland instructions/request |\n|---:|---|---:|---|---:|")
    rows = [count(name, path, connections, arguments) for connections in arguments.connections
            for name, path in arguments.servers.items()]
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"machine": machine, "counts": rows}))


def count(name, path, connections, arguments):
    calls = per_request(system_calls, path, connections, arguments)
    instructions = per_request(instructions_executed, path, connections, arguments)["Ir"]
    frequent = sorted(((n, call) for call, n in calls.items() if n >= 0.005), reverse=True)
    print(f"| {connections} | {name} | {sum(calls.values()):.2f} | "
          f"{', '.join(f'{call} {n:.2f}' for n, call in frequent)} | {instructions:.0f} |",
          flush=True)
    return {"server": name, "connections": connections, "system_calls": calls,
            "instructions": instructions}


def per_request(counts_of, path, connections, arguments):
    requests = max(arguments.requests, 10 * connections)
    once = counts_of(path, connections, requests, arguments)
    twice = counts_of(path, connections, 2 * requests, arguments)
    return {name: (n - once.get(name, 0)) / requests for name, n in twice.items()}


def system_calls(path, connections, requests, arguments):
    def total(report):
        rows = (line.split() for line in report.splitlines())
        return {row[-1]: int(row[3]) for row in rows
                if len(row) >= 5 and row[3].isdigit() and row[-1] != "total"}

    return traced(["strace", "-f", "-c", "-o"], True, total, path, connections, requests, arguments)


def instructions_executed(path, connections, requests, arguments):
    def total(report):
        return {"Ir": int(re.search(r"^(?:totals|summary): (\d+)", report, re.MULTILINE)[1])}

    valgrind = ["valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file="]
    return traced(valgrind, False, total, path, connections, requests, arguments)


def traced(tracer, forks, total, path, connections, requests, arguments):
    """`total` of the report which the tracer writes, the server having answered `requests`."""
    with tempfile.NamedTemporaryFile("r") as report:
        *command, last = tracer
        command += [last + report.name] if last.endswith("=") else [last, report.name]
        with echo_servers.Server(path, command, wrapper_forks=forks) as server:
            echo_servers.load(arguments.load, server, connections=connections,
                              size=arguments.size, requests=requests)
        return total(Path(report.name).read_text())


if __name__ == "__main__":
    main()
