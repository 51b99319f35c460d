"""Runs programs that nobody here wrote under `ramie run`, beside the same without it.

    RAMIE_BUILD=build/dev tests/system/launcher_test.py bash

A class for each program, named like it; ctest runs them one by one.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

import servers
from programs import (BUILD, RAMIE, files, free_port, patched, run, running, wait_for_port,
                      wait_until)

PLAIN = ()
PATCHED = (RAMIE, "run")


@contextlib.contextmanager
def serving(port, *command, **options):
    """A server, until the end of the block."""
    with running(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                 **options) as server:
        wait_for_port(port, server)
        yield server


def answers_over_http(port, files):
    """All that a server sends to a good and to a bad client, but for the time of day."""
    requests = [f"{method} /{file} HTTP/1.0\r\n{header}\r\n" for file in (*files, "missing")
                for method in ("GET", "HEAD", "POST", "NONSENSE")
                for header in ("", "Range: bytes=5-9\r\n")]
    answers = []
    for request in [*requests, "nonsense\r\n\r\n"]:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(request.encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer.startswith((b"HTTP/1.", b"<")), answer[:100]  # 0.9 has no status
            answers.append((request, re.sub(rb"\r\nDate: [^\r]*", b"", answer)))
    return answers


class launcher(unittest.TestCase):
    def test_tells_who_is_to_blame_by_its_exit_status(self):
        for expected, *command in (
                (125, "run"), (125, "run", "--nosuch", "true"), (125,), (125, "nosuch"),
                (126, "run", "/etc/passwd"), (126, "run", "/"), (127, "run", "/nosuch"),
                (127, "run", "no-such-program"), (0, "run", "true"), (1, "run", "false"),
                (0, "--version"), (0, "run", "--help")):
            with self.subTest(command=command):
                self.assertEqual(run(RAMIE, *command)[0], expected)

    def test_refuses_what_cannot_be_patched_unless_it_is_told_to(self):
        status, _, errors = patched("/sbin/ldconfig", "--version")
        self.assertEqual(status, 126)
        self.assertIn("statically", errors)
        self.assertEqual(patched("--force", "/sbin/ldconfig", "--version"),
                         run("/sbin/ldconfig", "--version"))

    def test_refuses_what_changes_its_rights_unless_it_is_told_to(self):
        with tempfile.TemporaryDirectory() as folder:
            program = self.program_of_another_user(folder)
            status, output, errors = patched(program, "--version")
            self.assertEqual((status, output), (126, ""))
            self.assertIn("setuid", errors)
            self.assertEqual(patched("--force", program, "--version"), run(program, "--version"))

    def program_of_another_user(self, folder):
        """One that runs with that user's rights."""
        if os.geteuid() != 0:
            known = pathlib.Path("/usr/bin/mount")
            if not known.exists() or not known.stat().st_mode & stat.S_ISUID:
                self.skipTest("only root can make a setuid program of another user")
            return known
        program = pathlib.Path(shutil.copy(shutil.which("id"), folder))
        program.parent.chmod(0o755)
        os.chown(program, 65534, -1)
        program.chmod(0o4755)
        return program

    def test_keeps_what_else_is_loaded_first(self):
        other = BUILD / "net/cli/libramie-preload.so"
        _, output, _ = patched("printenv", "LD_PRELOAD",
                               env={**os.environ, "LD_PRELOAD": str(other)})
        self.assertEqual(output.count("libramie-preload.so"), 2)

    def test_says_which_family_it_does_not_know(self):
        status, _, errors = patched("--patch", "socket,bogus", "true")
        self.assertEqual(status, 0)
        self.assertIn("bogus", errors)

    def test_shares_no_cpp_library_with_the_program(self):
        _, output, _ = patched("cat", "/proc/self/maps")
        self.assertIn("libramie-preload.so", output)
        if "libramie_runtime.so" in output:
            self.skipTest("shared libraries need the one that the program has")
        self.assertNotIn("libstdc++", output)
        self.assertNotIn("libgcc", output)
        # It throws and catches what it makes of these arguments.
        command = (RAMIE, "run", "--nosuch", "true")
        self.assertEqual(patched(*command), run(*command))

    def test_passes_arguments_and_signals_on(self):
        self.assertEqual(patched("printf", "%s|", "a b", "", "--patch", "-x")[1], "a b||--patch|-x|")
        program = [RAMIE, "run", "sh", "-c", "echo up; exec sleep 60"]
        with subprocess.Popen(program, stdout=subprocess.PIPE) as process:
            self.assertEqual(process.stdout.readline(), b"up\n")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(10), -signal.SIGINT)


class bash(unittest.TestCase):
    SCRIPT = r"""
        set -o pipefail
        printf '%s\n' c a b | sort | while read -r line; do echo "[$line]"; done
        result=$(seq 1 20000 | (cat; echo end) | tail -n 1)
        echo "$result"
        jobs=
        for i in 1 2 3 4 5; do (exit $i) & jobs="$jobs $!"; done
        for job in $jobs; do wait "$job"; echo "status $?"; done
        trap 'echo trapped' USR1; kill -USR1 $$; echo after
        fifo=$(mktemp -u); mkfifo "$fifo"; exec 9<> "$fifo"; rm "$fifo"
        read -r -t 0.05 nothing <&9 || echo "timed out $(( $? > 128 ))"
        cat <<< "here" > >(cat; echo over >&9)
        read -r word <&9; echo "$word"
        false | true; echo "pipe ${PIPESTATUS[0]}"
        exit 7
    """

    def test_runs_a_script_as_always(self):
        self.assertEqual(patched("bash", "-c", self.SCRIPT), run("bash", "-c", self.SCRIPT))

    def test_loses_no_byte_in_a_pipeline(self):
        script = "head -c 30000000 /dev/zero | tr '\\0' x | cat | gzip -1 | gunzip | md5sum"
        self.assertEqual(patched("bash", "-c", script), run("bash", "-c", script))


class python(unittest.TestCase):
    def test_serves_files_to_patched_and_plain_clients(self):
        folder, content = files(5, 3_000_000)
        port = free_port()
        command = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1"]
        with folder, serving(port, *PATCHED, *command, cwd=folder.name):
            for name, expected in content.items():
                for way in (PATCHED, PLAIN):
                    done = subprocess.run([*way, "curl", "--silent", "--fail",
                                           f"http://127.0.0.1:{port}/{name}"],
                                          capture_output=True, timeout=60, check=True)
                    self.assertEqual(done.stdout, expected)
            patched_answers = answers_over_http(port, content)
            port = command[3] = free_port()
            with serving(port, *PLAIN, *command, cwd=folder.name):
                self.assertEqual(patched_answers, answers_over_http(port, content))

    def test_passes_its_own_tests_of_sockets_and_processes(self):
        # What the patch might disturb: time limits, modes, inheritance, signals, select, pipes.
        program = r"""
import os, select, signal, socket, subprocess, threading, time
a, b = socket.socketpair()
a.settimeout(0.05)
try: a.recv(1)
except TimeoutError: print("timed out")
a.setblocking(False)
try: a.recv(1)
except BlockingIOError: print("would block")
a.setblocking(True)
threading.Timer(0.05, b.send, (b"late",)).start()
print(a.recv(10))
r, w = os.pipe()
if os.fork() == 0:
    os.write(w, b"child"); os._exit(3)
print(os.read(r, 10), os.WEXITSTATUS(os.wait()[1]))
print(select.select([a], [b], [], 0.01)[1] == [b])
signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.03)
time.sleep(0.1)
print(subprocess.run(["sh", "-c", "cat; exit 4"], input=b"through", capture_output=True))
print(socket.getaddrinfo("127.0.0.1", 80)[0][4])
poller = select.epoll(); poller.register(r, select.EPOLLIN); os.write(w, b"x")
print(poller.poll(1) == [(r, select.EPOLLIN)])
"""
        self.assertEqual(patched(sys.executable, "-c", program), run(sys.executable, "-c", program))


class nc(unittest.TestCase):
    def test_carries_bytes_both_ways(self):
        there = os.urandom(2_000_000)
        back = os.urandom(1_000_000)
        plain = self.converse(PLAIN, there, back)
        self.assertEqual(plain[:2], (there, back))
        self.assertEqual(self.converse(PATCHED, there, back), plain)

    def converse(self, way, there, back):
        """What the server and the client received, and how each of them ended."""
        port = free_port()
        with subprocess.Popen([*way, "nc", "-l", "-N", "127.0.0.1", str(port)],
                              stdin=self.pipe_with(back), stdout=subprocess.PIPE) as server:
            # A trial connection would be the only one that it takes.
            wait_until(lambda: f":{port:04X} 00000000:0000 0A" in
                       pathlib.Path("/proc/net/tcp").read_text(), server, "does not listen")
            client = subprocess.Popen([*way, "nc", "-N", "127.0.0.1", str(port)],
                                      stdin=self.pipe_with(there), stdout=subprocess.PIPE)
            with client, concurrent.futures.ThreadPoolExecutor() as readers:
                received = [readers.submit(each.stdout.read) for each in (server, client)]
                return (*(each.result() for each in received), server.wait(60), client.wait(60))

    def pipe_with(self, content):
        """A pipe's end for reading, and a process that writes to the other one."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / "content"
        path.write_bytes(content)
        writer = subprocess.Popen(["cat", path], stdout=subprocess.PIPE)
        self.addCleanup(writer.communicate)
        return writer.stdout


class nginx(unittest.TestCase):
    def answers(self, way, folder, content):
        port = free_port()
        command = servers.nginx_command(pathlib.Path(folder), f"listen 127.0.0.1:{port};")
        with serving(port, *way, *command):
            for name, expected in content.items():
                done = subprocess.run(["curl", "--silent", "--fail",
                                       f"http://127.0.0.1:{port}/{name}"],
                                      capture_output=True, timeout=60, check=True)
                self.assertEqual(done.stdout, expected)
            return answers_over_http(port, content)

    def test_serves_as_a_single_process(self):
        folder, content = files(3, 1_000_000)
        with folder:
            self.assertEqual(self.answers(PATCHED, folder.name, content),
                             self.answers(PLAIN, folder.name, content))


class curl(unittest.TestCase):
    def test_downloads_over_https_as_always(self):
        content = {f"file{i}": os.urandom(300_000) for i in range(5)}
        with servers.https(content, "localhost") as (port, authority):
            for name, expected in content.items():
                done = subprocess.run(
                    [RAMIE, "run", "curl", "--silent", "--fail", "--cacert", authority,
                     f"https://localhost:{port}/{name}"],
                    capture_output=True, timeout=60, check=True)
                self.assertEqual(done.stdout, expected)
            distrusting = ["curl", "--silent", "--show-error", f"https://localhost:{port}/file0"]
            self.assertEqual(patched(*distrusting), run(*distrusting))
            parallel = ["curl", "--silent", "--parallel", "--cacert", authority,
                        f"https://localhost:{port}/file[0-4]", "--output", "/dev/null",
                        "--write-out", "%{http_code} %{size_download}\n"]
            self.assertEqual(patched(*parallel)[1], "200 300000\n" * 5)

    def test_gives_up_in_time(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            command = ["curl", "--silent", "--noproxy", "*", "--max-time", "0.5", url]
            for call in (run, patched):
                self.assertEqual(call(*command)[0], 28)

    def test_is_refused_as_always(self):
        with socket.socket() as bound:  # does not listen, and keeps the port from others
            bound.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            refused = ["curl", "--silent", "--show-error", "--noproxy", "*", url]
            plain = run(*refused)
            self.assertEqual(plain[0], 7)
            self.assertEqual(patched(*refused)[0], plain[0])


class psql(unittest.TestCase):
    SCRIPT = r"""
        create table words (id serial primary key, word text);
        \copy words (word) from program 'seq 1 5000'
        begin; update words set word = word || '!' where id % 7 = 0; commit;
        select count(*), min(word), max(word), md5(string_agg(word, ',' order by id)) from words;
        select repeat('x', 200000);
        \copy (select * from words order by id) to program 'md5sum'
        begin; delete from words; rollback;
        select count(*) from words; select pg_sleep(0.1); select 1 / 0;
        drop table words;
        """

    def test_runs_a_script_as_always(self):
        with servers.postgresql(connections=10) as port:
            command = ["psql", "--no-psqlrc", "--host", "127.0.0.1", "--port", port, "--username",
                       "postgres"]
            plain = run(*command, input=self.SCRIPT)
            self.assertEqual(patched(*command, input=self.SCRIPT), plain)
            self.assertIn("5000", plain[1])


class redis_cli(unittest.TestCase):
    def test_runs_commands_and_pipes_as_always(self):
        with servers.redis() as port:
            command = ["redis-cli", "-p", port]
            script = "flushall\nset a 1\nincr a\nblpop nothing 1\nrpush l x y z\nlrange l 0 -1\nbad\n"
            plain = run(*command, input=script)
            self.assertEqual(patched(*command, input=script), plain)
            self.assertIn("x\ny\nz\n", plain[1])
            insertions = "".join(f"SET key{i} {i}\r\n" for i in range(20_000))
            self.assertEqual(patched(*command, "--pipe", input=insertions),
                             run(*command, "--pipe", input=insertions))
            self.assertEqual(patched(*command, "get", "key19999"), (0, "19999\n", ""))
            self.assertEqual(patched(*command, "--scan", "--pattern", "key1999?")[1].count("\n"), 10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
