"""The programs of the README: taken out of it, and tried.

    readme.py extract README FILE...     writes each block of C++ to a file
    readme.py try SERVER                 starts an echo server, and talks to it

The one change that is made to them: they listen on the port in $PORT, for 7000 may be in use.
"""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

PORT = """#include <cstdint>
#include <cstdlib>
static std::uint16_t port() { return static_cast<std::uint16_t>(std::atoi(std::getenv("PORT"))); }

"""


def extract(readme, *files):
    blocks = re.findall(r"^```cpp\n(.*?)^```$", pathlib.Path(readme).read_text(), re.M | re.S)
    if len(blocks) != len(files):
        sys.exit(f"{readme} has {len(blocks)} blocks of C++, not {len(files)}")
    for name, block in zip(files, blocks):
        if block.count("7000") != 1:
            sys.exit(f"the program for {name} is expected to listen on port 7000")
        pathlib.Path(name).write_text(PORT + block.replace("7000", "port()"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(server, port):
    """A connection, as soon as the server listens; None when it could not."""
    while server.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            time.sleep(0.01)
    return None


def echoes(peer, text):
    peer.sendall(text)
    return peer.makefile("rb").read(len(text)) == text


def talk_to(program):
    """False when somebody else took the port in the meantime."""
    port = free_port()
    with subprocess.Popen([program], env=dict(os.environ, PORT=str(port))) as server:
        try:
            first = connect(server, port)
            if first is None:
                return False
            # Both at the same time: neither waits for the other.
            with first, socket.create_connection(("127.0.0.1", port), timeout=20) as second:
                for text in (b"one", b"another" * 1000):
                    for peer in (second, first):
                        if not echoes(peer, text):
                            sys.exit(f"{program} did not echo what it was sent")
            return True
        finally:
            server.kill()


def try_server(program):
    if not any(talk_to(program) for _ in range(5)):
        sys.exit(f"{program} ends by itself")


{"extract": extract, "try": try_server}[sys.argv[1]](*sys.argv[2:])
