"""How many scenarios are played on plain and on patched calls, and which situations they cover.

    RAMIE_BUILD=build/dev tests/system/oracle_test.py scenarios
    RAMIE_BUILD=build/dev tests/system/oracle_test.py --matrix      # the table of docs/conformance.md

A scenario is a test that ctest runs by itself and whose body is expect_same_as_kernel(), or compare(),
which plays it once more for each call that it fits. What a scenario is about, its name says.
"""

import collections
import pathlib
import re
import subprocess
import sys
import unittest

from programs import BUILD

TESTS = pathlib.Path(__file__).parents[1] / "monkey"

CALLS = {
    "receiving": "`read` `readv` `recv` `recvfrom` `recvmsg`",
    "waiting_for_all": "the same with `MSG_WAITALL`",
    "low_water": "the same with `SO_RCVLOWAT`",
    "sending": "`write` `writev` `send` `sendto` `sendmsg`",
    "datagrams": "the same, of datagrams",
    "a_flag": "the same with flags",
    "a_negative_limit": "the same with negative timeouts",
    "a_call": "the same with bad arguments",
    "a_count": "the same with bad counts",
    "without_a_place": "`preadv2` `pwritev2`",
    "a_batch": "`recvmmsg` `sendmmsg`",
    "splicing": "`sendfile` `splice` `tee` `vmsplice`",
    "accepting": "`accept` `accept4`",
    "connecting": "`connect`",
    "descriptor_calls": "`socket` `pipe` `dup` `fcntl` `ioctl` `close` ...",
    "event_descriptors": "`eventfd` `timerfd` `signalfd` ttys",
    "opening": "`open` `fopen` `flock` `fcntl(F_SETLKW)`",
    "polling": "`poll` `ppoll`",
    "selecting": "`select` `pselect`",
    "an_epoll_set": "`epoll_wait` `epoll_pwait` `epoll_pwait2`",
    "waiting_for_signals": "`pause` `sigwait` `sigsuspend` ...",
    "sleeping": "`sleep` `nanosleep` `clock_nanosleep`",
    "waiting_for": "`wait` `waitpid` `wait4` `waitid`",
    "printing": "`fwrite` `fputs` `putc` `fprintf` `fflush` ...",
    "printing_to": "`printf` `puts` `perror` `dprintf`, `std::cout`",
    "reading_up_to_an_end": "`getdelim` `getline` `getchar` `vscanf` `vfscanf`",
    "moving_a_stream": "`fseek` `fsetpos` `rewind` `setvbuf`",
    "a_futex": "`syscall(SYS_futex)`",
    "joining": "`pthread_join` and its like",
}

# The first that fits counts.
SITUATIONS = {
    "invalid": r"refuses|bad|_no_|of_nothing|wrong|unknown|none|too_long|missing|cannot|closes_|is_refused_by_a"
               r"|not_connected|closed|too_much|answered|libc_does",
    "signal": r"signal|handler",
    "reset, refused": r"reset|refus|unreachable",
    "shut down": r"shut",
    "peer closes": r"the_end|peer_go|half_close|is_gone|_goes$|_go$|went|ended",
    "timeout": r"timeout|gives_up|late|has_an_end|lasts|awhile|a_while|limit|not_end",
    "non-blocking": r"not_wait|non_blocking|at_once|told_so|does_not_want|need_not|when_made|background|fcntl",
    "blocking": r"wait|until|woken|complete|takes_all|comes|goes|sends_all|fill|empti|looks|is_read|is_written"
                r"|any_child|one_|several|descriptor|output|terminal|child",
    "else": "",
}


def scenarios():
    """The names of those that there are, by suite."""
    suites = set()
    for file in TESTS.glob("*_test.cpp"):
        for suite, name, body in re.findall(r"^TEST(?:_[PF])?\((\w+),\s*(\w+)\) \{(.*?)\}$", file.read_text(),
                                            re.MULTILINE | re.DOTALL):
            if re.search(r"\b(expect_same_as_kernel|compare)\(", body):
                suites.add((suite, name))
    listed = subprocess.run([BUILD / "tests/ramie_monkey_tests", "--gtest_list_tests"],
                            capture_output=True, text=True, check=True).stdout
    found = collections.defaultdict(list)
    suite = None
    for line in listed.splitlines():
        name = line.split("#")[0].strip()
        if not line.startswith("  "):
            suite = name.rstrip(".").split("/")[-1]
            continue
        test, _, parameter = name.partition("/")
        if (suite, test) in suites:
            found[suite].append(parameter or test)
    return found


def situation(name):
    return next(each for each, pattern in SITUATIONS.items() if re.search(pattern, name))


def matrix():
    found = scenarios()
    print("| calls | " + " | ".join(SITUATIONS) + " | all |")
    print("|---" * (len(SITUATIONS) + 2) + "|")
    for suite, calls in CALLS.items():
        count = collections.Counter(map(situation, found[suite]))
        print(f"| {calls} | " + " | ".join(str(count[each] or "") for each in SITUATIONS)
              + f" | {len(found[suite])} |")
    print(f"\n{sum(map(len, found.values()))} in all.")


class oracle(unittest.TestCase):
    def test_there_are_at_least_300_scenarios(self):
        self.assertGreaterEqual(sum(map(len, scenarios().values())), 300)

    def test_every_one_is_in_the_table(self):
        self.assertEqual(sorted(set(scenarios()) - set(CALLS)), [])


if __name__ == "__main__":
    if sys.argv[1:] == ["--matrix"]:
        matrix()
    else:
        unittest.main(verbosity=2)
