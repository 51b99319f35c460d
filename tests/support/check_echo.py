"""Runs an echo server and checks what it answers.

    check_echo.py PROGRAM [ARGUMENT...]    adds "--port 0"; PROGRAM prints "listening PORT"
"""

import os
import socket
import subprocess
import sys
import threading

CONNECTIONS = 50
SIZE = 200_000


def answer(peer: socket.socket, size: int) -> bytes:
    with peer.makefile("rb") as stream:
        return stream.read(size)


def check(port: int) -> None:
    peers = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(CONNECTIONS)]
    for number, peer in enumerate(peers):
        peer.sendall(b"hello %d" % number)
    for number, peer in enumerate(peers):
        expected = b"hello %d" % number
        assert answer(peer, len(expected)) == expected

    data = os.urandom(SIZE)
    sender = threading.Thread(target=peers[0].sendall, args=(data,))
    sender.start()
    assert answer(peers[0], SIZE) == data
    sender.join()

    peers[1].shutdown(socket.SHUT_WR)
    assert peers[1].recv(1) == b""


def main() -> None:
    with subprocess.Popen([*sys.argv[1:], "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            word, port = server.stdout.readline().split()
            assert word == "listening"
            check(int(port))
            assert server.poll() is None
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
