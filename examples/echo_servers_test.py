"""The echo servers on one call that waits for all, or on none: Python's sockets are the clients.

    RAMIE_BUILD=build/dev examples/echo_servers_test.py poll_server

Everything is tested patched and plain: the difference is what runs beside the server.
"""

import contextlib
import functools
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from programs import (connect, exchange, have_files, limit_files, receive, receive_all, reset, run,
                      serving)


def in_each_mode(test):
    @functools.wraps(test)
    def in_each(self):
        for mode in self.modes:
            with self.subTest(mode=mode):
                test(self, *mode)
    return in_each


@contextlib.contextmanager
def crowd(port, count):
    """So many clients, all of whom were answered."""
    with contextlib.ExitStack() as all_of_them:
        clients = []
        while len(clients) < count:  # by waves that fit into the listener's queue
            wave = range(len(clients), min(len(clients) + 500, count))
            newcomers = [all_of_them.enter_context(connect(port)) for _ in wave]
            talk(newcomers)
            clients += newcomers
        yield clients


def talk(clients):
    """All at the same time."""
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    for number, client in enumerate(clients):
        answer = receive(client, len(b"%d" % number))
        assert answer == b"%d" % number, answer


def ask(client):
    with contextlib.suppress(ConnectionError):  # it was refused, and answered, before
        client.sendall(b"?")
    return client.recv(100)


def wait_for_room(port):
    """Until the server has seen that somebody has left."""
    while True:
        with connect(port) as client:
            if ask(client) == b"?":
                return


class echo_server:
    modes = [(), ("--plain",)]
    most_clients = 5000

    def serving(self, *mode, **options):
        return serving(type(self).__name__, *mode, **{"stdin": subprocess.PIPE, **options})

    def await_report(self, server, pattern):
        """The line that the fiber beside the server will write."""
        for line in server.stdout:
            if re.search(pattern, line):
                return
        self.fail("the server has ended")

    @in_each_mode
    def test_serves_others_while_one_is_silent(self, *mode):
        with self.serving(*mode) as server:
            with connect(server.port), connect(server.port) as talker:
                self.assertEqual(exchange(talker, b"hello"), b"hello")

    @in_each_mode
    def test_keeps_what_a_client_is_slow_to_take(self, *mode):
        data = os.urandom(3_000_000)
        with self.serving(*mode) as server:
            with connect(server.port) as slow, connect(server.port) as other:
                def send():
                    slow.sendall(data)
                    slow.shutdown(socket.SHUT_WR)
                sender = threading.Thread(target=send)
                sender.start()
                for number in range(20):
                    self.assertEqual(exchange(other, b"%d" % number), b"%d" % number)
                self.assertEqual(receive_all(slow), data)
                sender.join()

    @in_each_mode
    def test_a_client_that_resets_ends_alone(self, *mode):
        with self.serving("--report", *mode) as server, connect(server.port) as other:
            with crowd(server.port, 20) as clients:
                for client in clients:
                    client.sendall(b"never to be")
                    reset(client)
            self.assertEqual(exchange(other, b"still here"), b"still here")
            if "--plain" not in mode:
                self.await_report(server, "^1 clients, .* 20 broken")
            with crowd(server.port, 20):
                pass

    @in_each_mode
    def test_serves_thousands(self, *mode):
        count = self.most_clients if "--plain" not in mode else 500
        if not have_files(count + 100):
            self.skipTest("too few descriptors are allowed")
        with self.serving("--report", *mode) as server:
            with crowd(server.port, count) as clients:
                talk(clients)
                talk(clients[::-1])
                status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
                self.assertIn("Threads:\t1\n", status)
                if "--plain" in mode:
                    server.kill()
                    self.assertEqual(server.stdout.read(), "")  # no other fiber has run
                else:
                    self.await_report(server, f"^{count} clients")
            if "--plain" not in mode:
                self.await_report(server, "^0 clients, .* 0 broken, 0 refused")

    @in_each_mode
    def test_says_that_it_is_full_when_descriptors_have_run_out(self, *mode):
        with self.serving(*mode, preexec_fn=limit_files(40)) as server:
            with contextlib.ExitStack() as served:
                while True:
                    if (answer := ask(served.enter_context(connect(server.port)))) != b"?":
                        break
                self.assertEqual(answer, b"the server is full\n")
            wait_for_room(server.port)

    def test_says_that_the_port_is_taken(self):
        name = type(self).__name__
        with self.serving() as server:
            self.assertEqual(run(name, "--port", server.port, stdin=subprocess.DEVNULL),
                             (1, "", "bind: Address already in use\n"))

    def test_refuses_nonsense(self):
        for nonsense in (["--port", 70000], ["--port", "http"], ["--what"]):
            with self.subTest(nonsense=nonsense):
                status, output, errors = run(type(self).__name__, *nonsense)
                self.assertNotEqual(status, 0)
                self.assertEqual(output, "")
                self.assertIn(str(nonsense[-1]), errors)

    def test_ends_at_sigterm(self):
        with self.serving() as server, connect(server.port):
            server.terminate()
            self.assertEqual(server.wait(), -signal.SIGTERM)


class nonblocking_server(echo_server, unittest.TestCase):
    most_clients = 1000


class poll_server(echo_server, unittest.TestCase):
    pass


class epoll_server(echo_server, unittest.TestCase):
    modes = [(), ("--edge",), ("--plain",), ("--plain", "--edge")]


class select_server(echo_server, unittest.TestCase):
    most_clients = 900

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = pathlib.Path(directory.name, "log")

    def serving(self, *mode, **options):
        return super().serving("--log", self.log, *mode, **options)

    def logged(self):
        """What the log says, without the time."""
        time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
        lines = self.log.read_text().splitlines()
        for line in lines:
            self.assertRegex(line, f"^{time} .")
        return [re.sub(f"^{time} ", "", line) for line in lines]

    @in_each_mode
    def test_tells_all_what_is_typed_until_q(self, *mode):
        self.log.unlink(missing_ok=True)
        with self.serving(*mode) as server:
            with connect(server.port) as one, connect(server.port) as other:
                talk([one, other])
                server.stdin.write("in two pie")
                server.stdin.flush()
                self.assertEqual(exchange(one, b"meanwhile"), b"meanwhile")
                server.stdin.write("ces\nand another\n")
                server.stdin.flush()
                for client in (one, other):
                    self.assertEqual(receive(client, 26), b"in two pieces\nand another\n")
                server.stdin.write("Q\nnot any more\n")
                server.stdin.flush()
                self.assertEqual(receive_all(one), b"")
                self.assertEqual(server.wait(20), 0)
                address = f"127.0.0.1:{one.getsockname()[1]}"
        logged = self.logged()
        self.assertEqual(logged[0], "listening")
        self.assertRegex("\n".join(logged), rf"client \d+ is {address}\n")
        self.assertEqual(logged[-4:-1], ["typed: in two pieces", "typed: and another", "typed: Q"])
        self.assertEqual(logged[-1], "over, with 2 clients, 63 bytes sent, 0 broken, 0 refused")

    @in_each_mode
    def test_serves_on_when_input_has_ended(self, *mode):
        with self.serving(*mode, stdin=subprocess.DEVNULL) as server:
            with connect(server.port) as client:
                self.assertEqual(exchange(client, b"hello"), b"hello")
                self.assertIn("end of input", self.logged())

    @in_each_mode
    def test_refuses_descriptors_that_do_not_fit_into_a_set(self, *mode):
        self.log.unlink(missing_ok=True)
        most, more = 1024, 1100
        if not have_files(more + 100):
            self.skipTest("too few descriptors are allowed")
        with self.serving(*mode) as server, contextlib.ExitStack() as clients:
            served, refused = [], 0
            for _ in range(more):
                client = clients.enter_context(connect(server.port))
                answer = ask(client)
                if answer == b"?":
                    served.append(client)
                else:
                    self.assertEqual(answer, b"the server is full\n")
                    refused += 1
            self.assertGreater(len(served), most - 30)
            self.assertLess(len(served), most)
            self.assertEqual(len(served) + refused, more)
            log = self.logged()
            self.assertEqual(sum(line.startswith("refused 127.0.0.1:") for line in log), refused)
            self.assertTrue(log[-1].endswith(f": select() knows no descriptor {most}"), log[-1])
            talk(served)

            served.pop().close()  # its number is free for the next one
            wait_for_room(server.port)

    def test_says_that_the_log_cannot_be_written(self):
        status, _, errors = run("select_server", "--log", "/nowhere/at/all", stdin=subprocess.DEVNULL)
        self.assertEqual((status, errors), (1, "/nowhere/at/all: No such file or directory\n"))


if __name__ == "__main__":
    unittest.main()
