"""Runs the examples as their users do.

    RAMIE_BUILD=build/dev examples/examples_test.py posix_echo_server stress_client

A class for each example, named like it; ctest runs them one by one.
"""

import collections
import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import unittest

from programs import (BUILD, connect, exchange, have_files, is_sanitized, is_served, limit_files,
                      limit_memory, receive, receive_all, run, serving, start)

SOURCES = pathlib.Path(__file__).parent


class posix_echo_server(unittest.TestCase):
    def test_echoes_all_until_the_client_has_ended(self):
        data = os.urandom(1_000_000)
        with serving("posix_echo_server") as server, connect(server.port) as client:
            def send():
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            sender = threading.Thread(target=send)
            sender.start()
            self.assertEqual(receive_all(client), data)
            sender.join()

    def test_serves_others_while_one_is_silent(self):
        with serving("posix_echo_server") as server:
            with connect(server.port), connect(server.port) as talker:
                self.assertEqual(exchange(talker, b"hello"), b"hello")

    def test_serves_one_after_the_other_when_nothing_is_patched(self):
        with serving("posix_echo_server", "--plain") as server:
            with connect(server.port) as first, connect(server.port) as second:
                second.sendall(b"me too")
                self.assertEqual(exchange(first, b"hello"), b"hello")
                second.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    second.recv(1)
                second.settimeout(20)
                first.close()
                self.assertEqual(receive(second, 6), b"me too")

    def test_serves_hundreds_at_the_same_time_on_one_thread(self):
        with serving("posix_echo_server") as server:
            with contextlib.ExitStack() as open_sockets:
                clients = [open_sockets.enter_context(connect(server.port)) for _ in range(300)]
                for number, client in enumerate(clients):
                    self.assertEqual(exchange(client, b"%d" % number), b"%d" % number)
                status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
                self.assertIn("Threads:\t1\n", status)

    def test_goes_on_when_descriptors_have_run_out(self):
        with serving("posix_echo_server", preexec_fn=limit_files(20)) as server:
            with contextlib.ExitStack() as first, contextlib.ExitStack() as later:
                for _ in range(20):
                    first.enter_context(connect(server.port))
                self.assertEqual(server.stderr.readline(), "accept: Too many open files\n")
                waiting = later.enter_context(connect(server.port))
                first.close()
                self.assertEqual(exchange(waiting, b"at last"), b"at last")

    @unittest.skipIf(is_sanitized("posix_echo_server"), "a sanitizer needs all address space")
    def test_turns_clients_away_when_memory_has_run_out_and_lives_on(self):
        large_stacks = {**os.environ, "RAMIE_STACK_SIZE": str(32 << 20)}
        with serving("posix_echo_server", preexec_fn=limit_memory(512 << 20),
                     env=large_stacks) as server:
            with contextlib.ExitStack() as clients:
                served = 0
                while is_served(clients.enter_context(connect(server.port))):
                    served += 1
                    self.assertLess(served, 20, "none is turned away")
                self.assertGreater(served, 3)
                self.assertRegex(server.stderr.readline(), "^refused a connection: .*memory")
                self.assertFalse(is_served(clients.enter_context(connect(server.port))))
            # Their stacks are free when the server has seen them go.
            while True:
                with connect(server.port) as client:
                    if is_served(client):
                        break

    def test_says_that_the_port_is_taken(self):
        with serving("posix_echo_server") as server:
            status, _, errors = run("posix_echo_server", "--port", server.port)
        self.assertEqual((status, errors), (1, "bind: Address already in use\n"))

    def test_ends_at_sigterm(self):
        with serving("posix_echo_server") as server, connect(server.port):
            server.terminate()
            self.assertEqual(server.wait(), -signal.SIGTERM)


def status_of(process):
    """What the kernel says of it: the number in each line that has one."""
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {line.split(":")[0]: int(number[0]) for line in lines
            if (number := re.findall(r"\d+", line.split(":")[1]))}


class crowded_echo_server(unittest.TestCase):
    """The target: 10,000 patched connections in 60 MiB, on one thread."""

    CONNECTIONS = 10_000

    @unittest.skipIf(is_sanitized("posix_echo_server"), "a sanitizer needs memory of its own")
    def test_serves_ten_thousand_on_one_thread_in_60_mib(self):
        if not have_files(self.CONNECTIONS + 50):
            self.skipTest("the hard limit of descriptors is too low, see ulimit -Hn")
        with serving("posix_echo_server") as server:
            with start("stress_client", "--port", server.port, "--connections", self.CONNECTIONS,
                       "--warmup", 0, "--duration", 2, "--patience", 60, "--json") as client:
                threads = []
                for line in client.stdout:
                    news = json.loads(line)
                    if news["phase"] == "measuring":  # all of them talk
                        self.assertEqual(news["connections"], self.CONNECTIONS)
                        threads.append(status_of(server)["Threads"])
                errors = client.stderr.read()
            most = status_of(server)["VmHWM"]
        self.assertEqual((client.returncode, errors, news["errors"]), (0, "", 0))
        self.assertEqual(set(threads), {1})
        self.assertLessEqual(most, 60 << 10)  # KiB, at any time


def stress(port, *arguments, **options):
    return run("stress_client", "--port", port, "--warmup", 0, *arguments, **options)


class spoiling_server:
    """Echoes the first thousand bytes of a connection, and then what `spoil` makes of them."""

    def __init__(self, spoil, farewell=b""):
        self.spoil = spoil
        self.farewell = farewell

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept_all, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept_all(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                threading.Thread(target=self.echo, args=(peer,), daemon=True).start()

    def echo(self, peer):
        echoed = 0
        with contextlib.suppress(OSError), peer:
            while data := peer.recv(4096):
                answer = data if echoed < 1000 else self.spoil(data)
                if answer is None:
                    return
                peer.sendall(answer)
                echoed += len(data)
            peer.sendall(self.farewell)


class stress_client(unittest.TestCase):
    def test_reports_a_good_run(self):
        with serving("posix_echo_server") as server:
            status, output, errors = stress(server.port, "--connections", 600, "--duration", 0.5)
        self.assertEqual((status, errors), (0, ""))
        table = dict(re.split(r"\s{2,}", line) for line in output.splitlines())
        self.assertEqual((table["connections"], table["errors"]), ("600", "0"))
        self.assertGreater(int(table["requests"]), 0)

    def test_reports_in_json_every_second_and_at_the_end(self):
        with serving("posix_echo_server") as server:
            status, output, _ = stress(server.port, "--json", "--duration", 2.5)
        self.assertEqual(status, 0)
        *progress, result = map(json.loads, output.splitlines())
        self.assertTrue(progress)
        self.assertEqual((result["phase"], result["connections"]), ("done", 100))
        self.assertAlmostEqual(result["requests_per_second"],
                               result["requests"] / result["seconds"], delta=100)
        latencies = [result[name] for name in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us")]
        self.assertEqual(latencies, sorted(latencies))
        self.assertGreater(latencies[0], 0)

    def test_takes_any_size_and_depth(self):
        with serving("posix_echo_server") as server:
            for size, pipeline in ((1, 1), (1, 3000), (513, 7), (300_000, 3)):
                with self.subTest(size=size, pipeline=pipeline):
                    status, _, errors = stress(server.port, "--size", size, "--pipeline", pipeline,
                                               "--connections", 5, "--duration", 0.3)
                    self.assertEqual((status, errors), (0, ""))

    def expect_complaint(self, complaint, spoil, farewell=b"", *arguments):
        with spoiling_server(spoil, farewell) as server:
            status, output, errors = stress(server.port, "--connections", 3, "--pipeline", 2,
                                            "--duration", 1, *arguments)
        self.assertEqual(status, 1)
        self.assertRegex(errors, "^stress_client: 3 connections failed, the first: .*" + complaint)
        self.assertEqual(len(errors.splitlines()), 1)
        self.assertRegex(output, r"errors +3\n")

    def test_finds_a_changed_byte(self):
        self.expect_complaint("wrong bytes", lambda data: data[:-1] + bytes([data[-1] ^ 1]))

    def test_finds_a_lost_byte(self):
        self.expect_complaint("wrong bytes", lambda data: data[1:])

    def test_finds_a_repeated_byte(self):
        self.expect_complaint("wrong bytes|more bytes", lambda data: data[:1] + data)

    def test_finds_a_byte_too_many_at_the_end(self):
        self.expect_complaint("more bytes", lambda data: data, b"!")

    def test_finds_that_the_server_has_closed(self):
        self.expect_complaint("closed|reset", lambda data: None)

    def test_waits_for_an_answer_no_longer_than_its_patience(self):
        self.expect_complaint("timed out", lambda data: b"", b"", "--patience", 0.3)

    def test_says_in_one_line_that_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.assertEqual(stress(port, "--connections", 1000),
                         (1, "", f"stress_client: connect to 127.0.0.1:{port}: Connection refused\n"))

    def test_takes_as_many_connections_as_descriptors_allow(self):
        with serving("posix_echo_server") as server:
            status, output, errors = stress(server.port, "--connections", 1000, "--duration", 0.2,
                                            preexec_fn=limit_files(100))
        self.assertEqual(status, 0)
        self.assertEqual(errors, "stress_client: 1000 connections need 'ulimit -n 1032', it is 100: "
                                 "68 will do\n")
        self.assertRegex(output, r"connections +68\n")

    def test_refuses_nonsense(self):
        for nonsense in (["--size", 0], ["--connections", -1], ["--duration", "nan"],
                         ["--duration", "soon"], ["--port", 70000], ["--host", "nowhere"], ["--what"]):
            with self.subTest(nonsense=nonsense):
                status, output, errors = stress(9, *nonsense)
                self.assertNotEqual(status, 0)
                self.assertEqual(output, "")
                self.assertIn(str(nonsense[-1]), errors)


class sleepers(unittest.TestCase):
    def expect_together(self, count):
        status, output, _ = run("sleepers", "--count", count)
        self.assertEqual(status, 0, output)
        took = float(re.search(r"([\d.]+) s in all", output).group(1))
        self.assertGreaterEqual(took, 3)

    def test_two_end_together(self):
        self.expect_together(2)

    def test_a_hundred_thousand_end_together(self):
        self.expect_together(100_000)


class producers(unittest.TestCase):
    def test_lose_and_double_nothing(self):
        status, output, errors = run("producers")
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(output.count("the sum is 1498500, expected 1498500"), 2)


class locks(unittest.TestCase):
    def test_do_what_each_is_for_and_explain_a_deadlock(self):
        status, output, errors = run("locks")
        self.assertEqual((status, errors), (0, ""))
        for line in ("mutex: 100 deposits make 100", "of 20 never more than 5 at a time",
                     "event: attempt 1 to connect, not yet", "event: connected", "timer: 3 ticks",
                     "scoped_lock: both have eaten"):
            self.assertIn(line, output)
        self.assertRegex(output, '"alice": parked, waits for a mutex held by fiber \\d+ "bob"')
        self.assertRegex(output, '"bob": parked, waits for a mutex held by fiber \\d+ "alice"')


class queues(unittest.TestCase):
    def test_keep_their_order_and_tell_full_from_empty(self):
        status, output, errors = run("queues")
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(output.splitlines(), [
            "first in, first out: pear fig apple date",
            "last in, first out: date apple fig pear",
            "by priority: put out the fire; eat; sweep; dust;",
            "put: done",
            "put without waiting: full",
            "put with a deadline: full",
            "get: 1",
            "get without waiting: empty",
            "get with a deadline: queue::get: Connection timed out",
            "put after shutdown: ramie: queue: Cannot send after transport endpoint shutdown",
            "one by one: 0 1 2"])


class executors(unittest.TestCase):
    def test_do_it_on_threads(self):
        status, output, errors = run("executors")
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(output.splitlines(), [
            "submit: 49",
            "callback: 49",
            "map: 25 1 16 4",
            "a task that throws: 13 brings bad luck",
            "as_completed: the sum is 14",
            "wait: the failure is there",
            "shutdown: what had not begun was cancelled",
            "submit after shutdown: ramie: submit() to an executor that was shut down"])


class pages(http.server.ThreadingHTTPServer):
    """A page for each path, but for those that are made to fail."""

    request_queue_size = 1000
    daemon_threads = True

    def __init__(self):
        self.seen = collections.Counter()
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), page_handler)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass

    def urls(self, paths):
        return "".join(f"http://127.0.0.1:{self.server_port}/{path}\n" for path in paths)


class page_handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen[self.path] += 1
        if self.path == "/hangs":
            self.server.over.wait()
        elif self.path == "/breaks":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.path == "/missing":
            self.send_error(404)
        elif self.path.startswith("/ill") and self.server.seen[self.path] == 1:
            self.send_error(503)
        else:
            body = self.path.encode() * 100
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class crawler(unittest.TestCase):
    def crawl(self, urls, *arguments):
        with start("crawler", *arguments, stdin=subprocess.PIPE) as process:
            output, errors = process.communicate(urls)
        return process.returncode, output, errors

    def test_fetches_a_thousand_pages_and_names_those_that_fail(self):
        bad = ["hangs", "breaks", "missing"]
        paths = [*(f"page/{n}" for n in range(992)), *bad, *(f"ill/{n}" for n in range(5))]
        with pages() as server:
            status, output, errors = self.crawl(server.urls(paths), "--pool", 100,
                                                "--timeout", 2, "--retries", 2)
        self.assertEqual(status, 1)
        self.assertTrue(errors.endswith(f"[{'#' * 50}] 1000/1000\n"), errors[-100:])
        summary, *failed = output.splitlines()
        self.assertRegex(summary, r"^997 of 1000 pages, \d+ bytes in [\d.]+ s; \d+ attempts")
        self.assertEqual(sorted(re.sub("^.*/", "", line) for line in failed),
                         ["breaks: end of stream", "hangs: timed out", "missing: 404 Not Found"])
        self.assertGreaterEqual(server.seen["/ill/1"], 2)
        self.assertGreaterEqual(server.seen["/hangs"], 2)

    def test_says_that_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        status, output, _ = self.crawl(f"{url}\nftp://nothing\n", "--retries", 1)
        self.assertEqual(status, 1)
        self.assertEqual(sorted(output.splitlines()[1:]),
                         ["ftp://nothing: not http", f"{url}: Connection refused"])


class demo(unittest.TestCase):
    def start(self, *arguments):
        return subprocess.Popen([SOURCES / "demo.sh", BUILD, *map(str, arguments)], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def server_of(self, demonstration):
        """The server's process, once the table has a row of figures."""
        for line in demonstration.stdout:
            if found := re.search(r"The server, process (\d+)", line):
                server = int(found.group(1))
            if re.search(r" errors ", line):
                demonstration.stdout.readline()
                return server

    def test_shows_a_table_and_leaves_nothing_behind(self):
        with self.start(200, 1) as demonstration:
            server = self.server_of(demonstration)
            output, errors = demonstration.communicate()
        self.assertEqual((demonstration.returncode, errors), (0, ""))
        self.assertRegex(output, r"(?m)^done +1 +200 .* 0 +[\d.]+ +1$")
        self.assertFalse(pathlib.Path(f"/proc/{server}").exists())

    def test_fails_when_the_server_dies(self):
        with self.start(200, 20) as demonstration:
            os.kill(self.server_of(demonstration), signal.SIGKILL)
            _, errors = demonstration.communicate()
        self.assertEqual(demonstration.returncode, 1)
        self.assertIn("200 connections failed", errors)

    def test_ends_what_it_started_when_it_is_ended(self):
        with self.start(200, 20) as demonstration:
            server = self.server_of(demonstration)
            demonstration.terminate()
            demonstration.communicate()
        self.assertEqual(demonstration.returncode, 128 + signal.SIGTERM)
        self.assertFalse(pathlib.Path(f"/proc/{server}").exists())


if __name__ == "__main__":
    unittest.main()
