"""What the tests of the examples have in common: to start the programs and to talk to them."""

import contextlib
import os
import pathlib
import re
import resource
import socket
import struct
import subprocess

BUILD = pathlib.Path(os.environ["RAMIE_BUILD"])


def limit_files(most):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def have_files(needed):
    """True when this process, and those that it starts, may now open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return max(soft, hard) >= needed


def limit_memory(most):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most))


def is_sanitized(program):
    return b"__asan_init" in (BUILD / "examples" / program).read_bytes()


def start(program, *arguments, **options):
    return subprocess.Popen([BUILD / "examples" / program, *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def run(program, *arguments, **options):
    """Its exit status and what it wrote, when it has ended."""
    with start(program, *arguments, **options) as process:
        output, errors = process.communicate()
    return process.returncode, output, errors


@contextlib.contextmanager
def serving(program, *arguments, **options):
    """A server that says where it listens; ends with the block."""
    with start(program, "--port", 0, *arguments, **options) as server:
        try:
            where = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", server.stdout.readline())
            server.port = int(where.group(1))
            yield server
        finally:
            server.kill()
            server.communicate()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def receive_all(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


def receive(connection, size):
    data = b""
    while len(data) < size:
        data += connection.recv(65536) or b"the end"
    return data


def exchange(connection, data):
    connection.sendall(data)
    return receive(connection, len(data))


def is_served(client):
    with contextlib.suppress(ConnectionError):
        return exchange(client, b"?") == b"?"
    return False


def reset(connection):
    """Ends it as a process does that dies with data unread."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
