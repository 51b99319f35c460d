"""Starting, awaiting and stopping programs, for the tests of this folder."""

import contextlib
import os
import pathlib
import random
import socket
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ["RAMIE_BUILD"])
RAMIE = BUILD / "net/cli/ramie"


def run(*command, **options):
    """Its exit status, what it wrote to stdout and what to stderr."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=60, **options)
    return done.returncode, done.stdout, done.stderr


def patched(*command, **options):
    return run(RAMIE, "run", *command, **options)


def free_port():
    """Below those that the kernel gives to connections: thousands are made before a server takes it."""
    theirs = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]
    for port in random.sample(range(10_000, max(int(theirs), 20_000)), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("there is no free port")


def wait_until(ready, process, what):
    """Asks again and again; fails when the process ends before, or after a minute."""
    for _ in range(6000):
        if process.poll() is not None:
            raise AssertionError(f"{process.args} ended with {process.returncode}")
        if ready():
            return
        time.sleep(0.01)
    raise AssertionError(f"{process.args} {what}")


def wait_for_port(port, process, address="127.0.0.1"):
    def answers():
        with socket.socket() as probe:
            return probe.connect_ex((address, port)) == 0
    wait_until(answers, process, "does not listen")


@contextlib.contextmanager
def running(*command, stop=None, **options):
    """A process, until the end of the block; it is asked by `stop`, or SIGTERM, to end."""
    process = subprocess.Popen([str(part) for part in command], **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop) if stop else process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def files(count, size):
    """A folder of that many files of random bytes, and what is in them."""
    folder = tempfile.TemporaryDirectory()
    content = {}
    for i in range(count):
        content[f"file{i}"] = os.urandom(size)
        (pathlib.Path(folder.name) / f"file{i}").write_bytes(content[f"file{i}"])
    return folder, content
