"""Starts echo servers and the load generator, each pinned to a CPU of its own.

    with Server("./epoll_echo") as server:
        result = load("./load", server, connections=100, seconds=2)
"""

import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

SERVER_CPU = 0
LOAD_CPU = 1


class Server:
    """A running server; `wrapper` is a tracer's command line to start it under."""

    def __init__(self, path, wrapper=(), wrapper_forks=False):
        self.process = start(SERVER_CPU, [*wrapper, path, "--port", "0"])
        word, _, port = self.process.stdout.readline().strip().partition(" ")
        if word != "listening":
            self.process.kill()
            raise SystemExit(f"{path} does not say where it listens")
        self.port = port
        self.pid = child_of(self.process.pid) if wrapper_forks else self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()

    def resident_kib(self):
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Rss:"))


def child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def start(cpu, command):
    return subprocess.Popen(["taskset", "-c", str(cpu), *command], stdout=subprocess.PIPE,
                            text=True, start_new_session=True, preexec_fn=keep_priority)


def keep_priority():
    """Where sessions share the CPU fairly, a nice value counts only inside of one."""
    try:
        Path("/proc/self/autogroup").write_text(str(os.nice(0)))
    except OSError:
        pass


def load(path, server, **options):
    """What the load generator measured; its own complaint ends the program."""
    command = [path, "--port", server.port]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    with start(LOAD_CPU, command) as process:
        output = process.stdout.read()
    if process.returncode != 0:
        raise SystemExit(f"failed: {shlex.join(command)}: {output.strip()}")
    return json.loads(output)


def add_common_arguments(parser):
    parser.add_argument("--servers", required=True, type=named_paths, metavar="NAME=PATH,...",
                        help="the first one is what the others are compared with")
    parser.add_argument("--load", metavar="PATH", help="default: beside the first server")
    parser.add_argument("--connections", type=numbers, default=[100, 1000, 5000], metavar="N,...")
    parser.add_argument("--size", type=int, default=64, help="bytes of a request")
    parser.add_argument("--nice", type=int, default=0, metavar="N",
                        help="of servers and load; -10 (as root) where others use the machine too")


def parse(parser):
    arguments = parser.parse_args()
    if arguments.load is None:
        arguments.load = str(Path(next(iter(arguments.servers.values()))).parent / "load")
    os.nice(arguments.nice)
    return arguments


def named_paths(text):
    pairs = (item.partition("=") for item in text.split(","))
    return {name: str(Path(path).resolve()) for name, _, path in pairs}


def numbers(text):
    return [int(item) for item in text.split(",")]


def machine():
    cpu = next(line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").open()
               if line.startswith("model name"))
    return (f"{cpu}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
            f"load average {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d %H:%M')}, "
            f"`{shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`")
