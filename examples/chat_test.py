"""Two people chat: both by our program, or one of them by Python's sockets."""

import contextlib
import functools
import os
import pty
import re
import socket
import subprocess
import unittest

from programs import receive_all, reset, run, start

PATIENCE = 20


class talker:
    """A running chat whose keyboard and screen are pipes."""

    def __init__(self, *arguments, **options):
        self.process = start("chat", *arguments, bufsize=1, **{"stdin": subprocess.PIPE, **options})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.process:
            self.process.kill()

    def port(self):
        return int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", self.read()).group(1))

    def type(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def read(self):
        return self.process.stdout.readline()

    def end(self):
        """Its exit status, what was left on the screen and the complaints, when it ends by itself."""
        status = self.process.wait(PATIENCE)
        return status, self.process.stdout.read(), self.process.stderr.read()


class python_peer:
    """Its own end of a conversation, of either kind: a line is a piece of a stream or a datagram."""

    def __init__(self, *transport):
        self.is_udp = bool(transport)
        self.socket = socket.socket(type=socket.SOCK_DGRAM if self.is_udp else socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def listen(self):
        self.socket.bind(("127.0.0.1", 0))
        if not self.is_udp:
            self.socket.listen()
        return self.socket.getsockname()[1]

    def accept(self, first):
        """Takes the program's call, which is followed by its first line."""
        if self.is_udp:
            line, address = self.socket.recvfrom(100)
            self.socket.connect(address)
        else:
            listener = self.socket
            self.socket, _ = listener.accept()
            listener.close()
            line = self.socket.recv(100)
        assert line == first, line

    def leave(self):
        if self.is_udp:
            self.socket.send(b"")
        else:
            self.socket.shutdown(socket.SHUT_WR)


def in_both_transports(test):
    @functools.wraps(test)
    def in_each(self):
        for transport in ((), ("--udp",)):
            with self.subTest(transport=transport):
                test(self, *transport)
    return in_each


class chat(unittest.TestCase):
    def assert_was_left(self, program):
        self.assertEqual(program.end(), (0, "", "the other has left\n"))

    def assert_has_left(self, program):
        """It waits for the other's farewell, but not for long."""
        status, output, errors = program.end()
        self.assertEqual((status, output), (0, ""))
        self.assertIn(errors, ("", "the other has left\n"))

    @in_both_transports
    def test_two_talk_in_any_order_and_q_ends_both(self, *transport):
        with talker("listen", *transport) as one:
            with talker("connect", "--port", one.port(), *transport) as other:
                other.type("hello\n")
                self.assertEqual(one.read(), "> hello\n")
                for number in range(20):  # neither has to wait for his turn
                    speaker, hearer = (one, other) if number % 3 else (other, one)
                    speaker.type(f"line {number}\n")
                    self.assertEqual(hearer.read(), f"> line {number}\n")
                one.type("Q\n")
                self.assert_has_left(one)
                self.assert_was_left(other)

    @in_both_transports
    def test_the_end_of_input_leaves_too_and_nothing_said_before_is_lost(self, *transport):
        with talker("listen", *transport) as one:
            with talker("connect", "--port", one.port(), *transport) as other:
                other.type("".join(f"{number}\n" for number in range(100)) + "no newline")
                other.process.stdin.close()
                everything = [f"> {number}\n" for number in range(100)] + ["> no newline\n"]
                self.assertEqual([one.read() for _ in everything], everything)
                self.assert_was_left(one)
                self.assert_has_left(other)

    @in_both_transports
    def test_python_listens(self, *transport):
        with python_peer(*transport) as peer:
            with talker("connect", "--port", peer.listen(), *transport) as program:
                program.type("hello\n")
                peer.accept(b"hello\n")
                peer.socket.sendall("grüß dich\nund so\n".encode())
                self.assertEqual(program.read() + program.read(), "> grüß dich\n> und so\n")
                program.type("Q\n")
                self.assertEqual(peer.socket.recv(100), b"")
                peer.leave()
                self.assert_has_left(program)

    @in_both_transports
    def test_python_connects_and_leaves(self, *transport):
        with python_peer(*transport) as peer, talker("listen", *transport) as program:
            peer.socket.connect(("127.0.0.1", program.port()))
            peer.socket.sendall(b"in pieces" if transport else b"in pie")
            if not transport:
                peer.socket.sendall(b"ces\n")
            self.assertEqual(program.read(), "> in pieces\n")
            program.type("bye\n")
            self.assertEqual(peer.socket.recv(100), b"bye\n")
            peer.leave()
            self.assert_was_left(program)

    def test_a_terminal_as_keyboard(self):
        keyboard, terminal = pty.openpty()
        with python_peer() as peer:
            with talker("connect", "--port", peer.listen(), stdin=terminal) as program:
                os.close(terminal)
                os.write(keyboard, b"half a l")
                os.write(keyboard, b"ine\n")
                peer.accept(b"half a line\n")
                os.write(keyboard, b"half ")  # while it is being typed the other is heard
                peer.socket.sendall(b"I interrupt\n")
                self.assertEqual(program.read(), "> I interrupt\n")
                os.write(keyboard, b"again\n\x04")  # Ctrl-D
                self.assertEqual(receive_all(peer.socket), b"half again\n")
                peer.leave()
                self.assert_has_left(program)
        os.close(keyboard)

    def test_a_peer_that_resets_is_an_error(self):
        with python_peer() as peer, talker("listen") as program:
            peer.socket.connect(("127.0.0.1", program.port()))
            peer.socket.sendall(b"I am\n")
            self.assertEqual(program.read(), "> I am\n")
            reset(peer.socket)
            status, _, errors = program.end()
        self.assertEqual(status, 1)
        self.assertIn("recv: Connection reset by peer\n", errors)

    def test_a_peer_that_was_killed_has_left(self):
        with talker("listen") as one, talker("connect", "--port", one.port()) as other:
            other.type("I am\n")
            self.assertEqual(one.read(), "> I am\n")
            other.process.kill()
            self.assert_was_left(one)

    def test_a_screen_that_nobody_reads_does_not_stop_the_keyboard(self):
        with python_peer() as peer:
            with talker("connect", "--port", peer.listen()) as program:
                program.type("hello\n")
                peer.accept(b"hello\n")
                peer.socket.settimeout(0.2)
                with contextlib.suppress(TimeoutError):  # until all buffers on the way are full
                    while True:
                        peer.socket.sendall(b"blah\n" * 10_000)
                peer.socket.settimeout(PATIENCE)
                program.type("enough\n")
                self.assertEqual(peer.socket.recv(100), b"enough\n")

    @in_both_transports
    def test_q_leaves_before_anybody_has_come(self, *transport):
        with talker("listen", *transport) as program:
            program.port()
            program.type("Q\n")
            self.assertEqual(program.end(), (0, "", ""))

    def test_without_patches_one_talks_first_and_hears_later(self):
        with python_peer() as peer:
            with talker("connect", "--port", peer.listen(), "--plain") as program:
                program.type("hello\n")
                peer.accept(b"hello\n")
                peer.socket.sendall(b"do you hear me?\n")
                program.type("no\n")
                self.assertEqual(peer.socket.recv(100), b"no\n")
                os.set_blocking(program.process.stdout.fileno(), False)
                self.assertIsNone(program.process.stdout.buffer.raw.read(1))
                os.set_blocking(program.process.stdout.fileno(), True)
                program.process.stdin.close()
                self.assertEqual(receive_all(peer.socket), b"")
                peer.leave()
                self.assertEqual(program.end(), (0, "> do you hear me?\n", "the other has left\n"))

    def test_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.assertEqual(run("chat", "connect", "--port", port, stdin=subprocess.DEVNULL),
                         (1, "", "connect: Connection refused\n"))
        with talker("connect", "--udp", "--port", port) as program:
            program.type("is anybody there?\n")
            status, _, errors = program.end()
        self.assertEqual(status, 1)
        self.assertIn("recv: Connection refused\n", errors)

    @in_both_transports
    def test_an_address_that_is_taken(self, *transport):
        with talker("listen", *transport) as program:
            self.assertEqual(run("chat", "listen", "--port", program.port(), *transport,
                                 stdin=subprocess.PIPE)[::2],
                             (1, "bind: Address already in use\n"))

    def test_refuses_nonsense(self):
        for nonsense in ([], ["listen", "--port", 70000], ["connect", "--port", "x"],
                         ["connect", "--host", "here"], ["whisper"]):
            with self.subTest(nonsense=nonsense):
                status, output, errors = run("chat", *nonsense)
                self.assertNotEqual((status, errors), (0, ""))
                self.assertEqual(output, "")


if __name__ == "__main__":
    unittest.main()
