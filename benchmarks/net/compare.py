#!/usr/bin/env -S python3 -B
"""Compares echo servers: CPU time per request, throughput, latency, memory per connection.

    compare.py --servers epoll=./epoll_echo,asio=./asio_echo --connections 100,1000 --rounds 7

Every round runs every server once, and the next round starts with another one, so that whatever
slows the machine down for a while slows all of them down. Quoted are medians of the rounds, with
ratios to the first server: of the medians, and the median and middle half of the ratios within one
round, which a drifting machine bends less. "disturbed" is how long server and load were ready to
run while other programs had their CPUs; "slowed" counts the rounds in which the machine itself was
slow (see calm.py) and patience was over. A measurement worth quoting has next to nothing in both.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import echo_servers
from calm import CALM, Gauge


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    echo_servers.add_common_arguments(parser)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="measured in each round")
    parser.add_argument("--warmup", type=float, default=0.2)
    parser.add_argument("--patience", type=float, default=60, metavar="SECONDS",
                        help="to spend on waiting for and repeating in calm moments")
    parser.add_argument("--depth", type=int, default=1, help="requests in flight a connection")
    parser.add_argument("--json", metavar="PATH", help="write every single measurement there")
    arguments = echo_servers.parse(parser)

    machine = echo_servers.machine()
    samples = measure(arguments)
    print(machine)
    for connections in arguments.connections:
        print_table([s for s in samples if s["connections"] == connections])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"machine": machine, "samples": samples}))


def measure(arguments):
    samples = []
    gauge = Gauge([echo_servers.SERVER_CPU, echo_servers.LOAD_CPU])
    servers = list(arguments.servers.items())
    for round_number in range(arguments.rounds):
        for connections in arguments.connections:
            for name, path in servers:
                progress(f"round {round_number + 1} of {arguments.rounds}: "
                         f"{connections} connections, {name}")
                sample = measure_calmly(gauge, path, connections, arguments)
                samples.append({"server": name, "round": round_number, **sample})
        servers = servers[-1:] + servers[:-1]
    progress("")
    return samples


def progress(text):
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def measure_calmly(gauge, path, connections, arguments):
    while True:
        start = time.monotonic()
        slowness = gauge.slowness()
        if slowness <= CALM or arguments.patience <= 0:
            sample = measure_once(path, connections, arguments)
            slowness = max(slowness, gauge.slowness())
            if slowness <= CALM or arguments.patience <= 0:
                return {**sample, "slowness": slowness}
        else:
            time.sleep(0.2)
        arguments.patience -= time.monotonic() - start


def measure_once(path, connections, arguments):
    with echo_servers.Server(path) as server:
        # Code and tables that any first request touches are not memory of a connection.
        echo_servers.load(arguments.load, server, connections=1, requests=100)
        resident_before = server.resident_kib()
        result = echo_servers.load(
            arguments.load, server, connections=connections, size=arguments.size,
            seconds=arguments.seconds, warmup=arguments.warmup, depth=arguments.depth,
            watch=server.pid)
    grown = result["server_rss_kib"] - resident_before
    return {
        **result,
        "connections": connections,
        "cpu_us_per_request": result["server_cpu_seconds"] * 1e6 / result["requests"],
        "kib_per_connection": grown / connections,
        "disturbed": result["waited"],
        "server_busy": result["server_cpu_seconds"] / result["seconds"],
    }


def print_table(samples):
    by_server = {}
    for sample in sorted(samples, key=lambda sample: sample["round"]):
        by_server.setdefault(sample["server"], []).append(sample)
    base = next(iter(by_server.values()))
    rows = [{"server": name, **cells(mine, base)} for name, mine in by_server.items()]
    print(f"\n{samples[0]['connections']} connections, {len(base)} rounds\n")
    print_row(rows[0].keys())
    print_row(["---"] + ["---:"] * (len(rows[0]) - 1))
    for row in rows:
        print_row(row.values())


def print_row(cells):
    print("| " + " | ".join(cells) + " |")


def cells(mine, base):
    def median(metric, samples=mine):
        return statistics.median(sample[metric] for sample in samples)

    def ratio(metric):
        return f"× {median(metric) / median(metric, base):.2f}"

    return {
        "CPU µs/request": f"{median('cpu_us_per_request'):.2f}",
        "of medians": ratio("cpu_us_per_request"),
        "within a round": ratio_within_a_round("cpu_us_per_request", mine, base),
        "requests/s": f"{median('requests_per_second'):,.0f} {ratio('requests_per_second')}",
        "p99 µs": f"{median('p99_us'):,.0f} {ratio('p99_us')}",
        "KiB/connection": f"{median('kib_per_connection'):.2f}",
        "server busy": f"{median('server_busy'):.0%}",
        "disturbed": f"{median('disturbed'):.0%}",
        "slowed": str(sum(sample["slowness"] > CALM for sample in mine)),
    }


def ratio_within_a_round(metric, mine, base):
    ratios = [a[metric] / b[metric] for a, b in zip(mine, base)]
    if len(ratios) < 2:
        return f"× {ratios[0]:.2f}"
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"× {middle:.2f} ({low:.2f}–{high:.2f})"


if __name__ == "__main__":
    main()
