"""C libraries that were written to block, in many fibers of one thread, against their real servers.

    RAMIE_BUILD=build/dev tests/system/clients_test.py libpq

A class for each library. What is checked here is what the programs in clients/ print. That
the fibers are there at once is shown by holding them until all are, not by how long they take.
"""

import os
import pathlib
import resource
import shutil
import socket
import subprocess
import tempfile
import unittest

import servers
from programs import BUILD


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class client_test(unittest.TestCase):
    def client(self, scenario, port, fibers, *arguments):
        """What the program of this library printed, by name."""
        program = BUILD / f"tests/system/{type(self).__name__}_client"
        command = [program, scenario, port, fibers, *arguments]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              timeout=240)
        if done.returncode == 77:
            self.skipTest(done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)
        print(f"{scenario}, {fibers} fibers: {' '.join(done.stdout.split())}")
        return {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}


class dnsmasq(client_test):
    def test_1000_names_do_not_stop_a_ticker(self):
        program = shutil.which("dnsmasq", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            self.skipTest("there is no dnsmasq")
        # The CPU time of the loop between two ticks: the target is 5 ms, and it needs 3; up to 4.8
        # on a machine under load. What holds the loop by itself does so in each attempt.
        for _ in range(3):
            found = self.client("names", 0, 1000, program)
            self.assertEqual(found["right"], 1000)
            self.assertGreaterEqual(found["seconds"], 0.05)
            if found["busiest_us"] < 20_000:
                return
        self.fail(f"the loop was held for {found['busiest_us']} us")


class libpq(client_test):
    def test_500_connections_sleep_and_transact_at_once(self):
        with servers.postgresql(connections=500) as port:
            found = self.client("transactions", port, 500)
        self.assertEqual(found["asleep_at_once"], 500)  # says the server
        self.assertEqual(found["threads"], 1)
        self.assertEqual(found["transfers"], 500)
        self.assertEqual(found["connections"], 500)
        self.assertGreaterEqual(found["seconds"], 1)

    def test_a_fiber_that_is_killed_leaves_the_rest_alone(self):
        with servers.postgresql(connections=20) as port:
            found = self.client("killed", port, 10)
        self.assertEqual(found["ended"], 10)
        self.assertEqual(found["complained"], 1)


class hiredis(client_test):
    def setUp(self):
        redis = servers.redis()
        self.port = redis.__enter__()
        self.addCleanup(redis.__exit__, None, None, None)

    def test_1000_fibers_are_connected_at_once_and_give_1000_commands_each(self):
        self.assertEqual(self.client("commands", self.port, 1000, 1000)["commands"], 1_000_000)

    def test_blocking_pops_hand_a_token_around(self):
        self.assertEqual(self.client("ring", self.port, 200, 5)["token"], 1000)

    def test_blocking_pops_wait_together_for_nothing(self):
        found = self.client("waiting", self.port, 200)
        self.assertEqual(found["empty"], 200)
        self.assertEqual(found["blocked_at_once"], 200)  # says the server
        self.assertGreaterEqual(found["seconds"], 1)

    def test_subscribers_get_every_message_in_order(self):
        self.assertEqual(self.client("subscriptions", self.port, 100, 100)["received"], 10_000)


class libcurl(client_test):
    FILES = {f"file{n}": bytes((31 * i + 7 * n) % 256 for i in range(1000 * (n + 1) ** 2))
             for n in range(10)}

    @staticmethod
    def name():
        """A name that is looked up: curl knows localhost without asking."""
        own = socket.gethostname()
        try:
            with socket.socket() as probe:
                probe.bind((socket.gethostbyname(own), 0))
            return own
        except OSError:
            return "localhost"

    def test_1000_downloads_at_once_from_a_server_that_is_verified(self):
        if self.name() == "localhost":
            self.skipTest("the name of this machine is no address of it: nothing would be looked up")
        with servers.https(self.FILES, self.name()) as (port, authority):
            found = self.client("downloads", port, 1000, self.name(), authority)
        self.assertEqual(found["right"], 1000)

    def test_trusts_nobody_whom_nobody_vouches_for(self):
        with servers.https(self.FILES, self.name()) as (port, _), \
                tempfile.TemporaryDirectory() as folder:
            servers.certificates(pathlib.Path(folder), self.name())
            found = self.client("distrust", port, 50, self.name(), f"{folder}/ca.pem")
        self.assertEqual(found["refused"], 50)

    def test_time_limits_end_what_stalls(self):
        with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
            found = self.client("stalled", silent.getsockname()[1], 100, 500)
        self.assertEqual(found["timed_out"], 100)
        self.assertGreaterEqual(found["seconds"], 0.5)
        self.assertLess(found["seconds"], 25)  # one after the other: 50

    def test_a_fiber_that_is_killed_leaves_the_rest_alone(self):
        with servers.https(self.FILES, self.name()) as (port, authority):
            found = self.client("killed", port, 20, self.name(), authority)
        self.assertEqual(found["right"], 20)
        self.assertEqual(found["complained"], 1)


class librabbitmq(client_test):
    def test_every_message_is_confirmed_and_acknowledged(self):
        with servers.rabbitmq() as port:
            found = self.client("acknowledged", port, 200, 50)
        self.assertEqual(found["consumed"], 5000)
        self.assertEqual(found["left"], 0)


class libmariadb(client_test):
    def setUp(self):
        mariadb = servers.mariadb(connections=200)
        self.port = mariadb.__enter__()
        self.addCleanup(mariadb.__exit__, None, None, None)

    def test_200_connections_do_everything_at_once(self):
        found = self.client("transactions", self.port, 200)
        self.assertEqual(found["total"], 200 * 1000 + sum(range(0, 200, 2)))
        self.assertEqual(found["asleep_at_once"], 200)  # says the server
        self.assertGreaterEqual(found["seconds"], 1)
        self.assertEqual(self.client("large", self.port, 50)["right"], 50)


class openssl(client_test):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        servers.certificates(self.folder, "localhost")

    def test_300_connections_at_once_with_both_ends_on_fibers(self):
        found = self.client("both", 0, 300, self.folder / "server.pem", self.folder / "ca.pem")
        self.assertEqual(found["right"], 300)

    def test_serves_the_client_of_openssl(self):
        clients = 20
        program = BUILD / "tests/system/openssl_client"
        with subprocess.Popen([program, "serve", "0", str(clients), self.folder / "server.pem"],
                              stdout=subprocess.PIPE, text=True) as server:
            port = server.stdout.readline().split()[1]
            command = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-CAfile",
                       self.folder / "ca.pem", "-verify_return_error", "-verify_hostname",
                       "localhost"]
            started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL) for _ in range(clients)]
            # All have connected, and are on their own, before the first one says anything.
            for number, each in enumerate(started):
                answer, _ = each.communicate(b"line %d\n" % number, timeout=60)
                self.assertEqual(answer, b"line %d\n" % number)
            self.assertEqual(server.wait(60), 0)


if __name__ == "__main__":
    raise_file_limit()
    unittest.main(verbosity=2)
