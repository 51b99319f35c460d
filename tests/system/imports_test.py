"""Libraries that people use import no call that blocks the thread, unless docs/patching.md says so.

    RAMIE_BUILD=build/dev tests/system/imports_test.py imports

The calls of the C library that can wait are listed here by hand: nothing else knows them all. Each
has to be patched, which is to say that libramie-preload.so defines it, or named in the section "Calls
that are left alone" of docs/patching.md. So has every other name that libc has for a patched one.
"""

import collections
import pathlib
import re
import shutil
import subprocess
import unittest

from programs import BUILD

PROJECT = pathlib.Path(__file__).parents[2]
DOCUMENTATION = PROJECT / "docs/patching.md"
COVERED = PROJECT / "net/monkey/covered_calls.hpp"
EXCEPTIONS = "## Calls that are left alone"

# With the package that brings each, by the name that ./dev has for it.
LIBRARIES = {"libpq.so.5": "libpq-dev", "libhiredis.so.0.14": "libhiredis-dev",
             "libcurl.so.4": "libcurl4-openssl-dev", "librabbitmq.so.4": "librabbitmq-dev",
             "libmariadb.so.3": "libmariadb-dev", "libssl.so.3": "libssl-dev",
             "libcrypto.so.3": "libssl-dev", "libssh2.so.1": "libssh2-1",
             "libldap-2.5.so.0": "libldap-2.5-0", "libpython3.11.so.1.0": "libpython3.11",
             "/usr/bin/python3.11": "python3"}

# Glibc's own aliases included: those of fortified and of 64-bit programs, and of inlined stdio.
BLOCKING = set("""
    accept accept4 connect __libc_accept __libc_connect
    recv recvfrom recvmsg recvmmsg __recv_chk __recvfrom_chk __libc_recv __libc_recvfrom
    send sendto sendmsg sendmmsg sendfile sendfile64 __libc_send __libc_sendto __send __connect
    close fclose close_range closefrom fcloseall

    read write readv writev __read __write __read_chk __libc_read __libc_write eventfd_read eventfd_write
    pread pread64 __pread64 __pread_chk __pread64_chk preadv preadv64 preadv2 preadv64v2
    pwrite pwrite64 __pwrite64 pwritev pwritev64 pwritev2 pwritev64v2
    splice vmsplice tee copy_file_range
    fsync fdatasync sync syncfs sync_file_range msync fallocate fallocate64 posix_fallocate posix_fallocate64
    aio_suspend aio_suspend64 lio_listio lio_listio64
    open open64 openat openat64 creat creat64 __open __open64 __open_2 __open64_2 __openat_2 __openat64_2
    fopen fopen64 freopen freopen64
    flock lockf lockf64 fcntl fcntl64 __fcntl ioctl tcdrain tcsetattr
    getrandom getentropy

    select pselect __select poll ppoll __poll __poll_chk __ppoll_chk
    epoll_wait epoll_pwait epoll_pwait2
    sleep usleep nanosleep clock_nanosleep __nanosleep thrd_sleep
    pause sigpause __sigpause sigsuspend __sigsuspend sigwait sigwaitinfo sigtimedwait
    wait waitpid wait3 wait4 waitid __wait __waitpid
    vfork __vfork posix_spawn posix_spawnp system popen pclose wordexp

    getaddrinfo getaddrinfo_a gai_suspend getnameinfo
    gethostbyname gethostbyname2 gethostbyaddr gethostent
    gethostbyname_r gethostbyname2_r gethostbyaddr_r gethostent_r
    res_query res_search res_querydomain res_send res_nquery res_nsearch res_nquerydomain res_nsend
    __res_query __res_search __res_querydomain __res_send
    __res_nquery __res_nsearch __res_nquerydomain __res_nsend
    getpwnam getpwuid getpwent getpwnam_r getpwuid_r getpwent_r
    getgrnam getgrgid getgrent getgrnam_r getgrgid_r getgrent_r getgrouplist initgroups
    getlogin getlogin_r
    getspnam getspent getspnam_r getspent_r
    getservbyname getservbyport getservent getservbyname_r getservbyport_r getservent_r
    getprotobyname getprotobynumber getprotoent getprotobyname_r getprotobynumber_r getprotoent_r
    getnetbyname getnetbyaddr getnetent getnetbyname_r getnetbyaddr_r getnetent_r
    getrpcbyname getrpcbynumber innetgr
    syslog vsyslog __syslog_chk __vsyslog_chk openlog

    fgets fgetc getc getchar gets fread getline getdelim __getdelim getw ungetc
    fgets_unlocked fgetc_unlocked getc_unlocked getchar_unlocked fread_unlocked
    __fgets_chk __fgets_unlocked_chk __fread_chk __fread_unlocked_chk __gets_chk
    __uflow __underflow _IO_getc
    scanf fscanf vscanf vfscanf
    __isoc99_scanf __isoc99_fscanf __isoc99_vscanf __isoc99_vfscanf
    fgetwc getwc getwchar fgetws fgetws_unlocked __wuflow __wunderflow wscanf fwscanf
    fputs fputc putc putchar puts fwrite putw perror _IO_putc
    fputs_unlocked fputc_unlocked putc_unlocked putchar_unlocked fwrite_unlocked __overflow
    printf fprintf vprintf vfprintf dprintf vdprintf
    __printf_chk __fprintf_chk __vprintf_chk __vfprintf_chk __dprintf_chk __vdprintf_chk
    fputwc putwc fputws wprintf fwprintf vfwprintf __woverflow psignal
    fflush fflush_unlocked fseek fseeko fseeko64 fsetpos fsetpos64 rewind flockfile getpass

    pthread_mutex_lock pthread_mutex_timedlock pthread_mutex_clocklock __pthread_mutex_lock
    pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait
    pthread_rwlock_rdlock pthread_rwlock_wrlock pthread_rwlock_timedrdlock pthread_rwlock_timedwrlock
    pthread_rwlock_clockrdlock pthread_rwlock_clockwrlock
    __pthread_rwlock_rdlock __pthread_rwlock_wrlock
    pthread_join pthread_timedjoin_np pthread_clockjoin_np
    pthread_once __pthread_once pthread_barrier_wait pthread_spin_lock
    sem_wait sem_timedwait sem_clockwait
    mtx_lock mtx_timedlock cnd_wait cnd_timedwait thrd_join call_once
    semop semtimedop msgsnd msgrcv
    mq_send mq_receive mq_timedsend mq_timedreceive __mq_timedsend __mq_timedreceive
    futex syscall
""".split())


def library(name):
    """Its file, or nothing where it is not installed."""
    if name.startswith("/"):
        return pathlib.Path(name) if pathlib.Path(name).exists() else None
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    found = re.search(rf"^\s*{re.escape(name)} \(.*x86-64.*\) => (\S+)$", known.stdout, re.MULTILINE)
    return pathlib.Path(found[1]) if found else None


def list_symbols(file, *options):
    """Of each the name with its version, the type and, of one that is defined, the address."""
    listed = subprocess.run(["nm", "--dynamic", "--format=posix", *options, file],
                            capture_output=True, text=True, check=True)
    return [line.split() for line in listed.stdout.splitlines()]


def dynamic_symbols(file, *options):
    """Names without their versions."""
    return {fields[0].split("@")[0] for fields in list_symbols(file, *options)}


def names_of_functions(file):
    """For each function the names by which programs that are linked today can call it."""
    names = collections.defaultdict(set)
    for name, kind, address, *_ in list_symbols(file, "--defined-only"):
        name, _, version = name.partition("@@")
        if kind in "TWi" and version.startswith("GLIBC_2"):
            names[address].add(name)
    return list(names.values())


def packages_of_dev():
    """What ./dev installs."""
    lists = re.findall(r'^\w+_packages="([^"]*)"', (PROJECT / "dev").read_text(), re.MULTILINE)
    return {package for each in lists for package in each.split()}


def exceptions():
    """Every call in the first column of the table in that section of the documentation."""
    section = DOCUMENTATION.read_text().split(EXCEPTIONS)[1].split("\n## ")[0]
    columns = (line.split("|")[1] for line in section.splitlines() if line.startswith("|"))
    return {call for column in columns for call in re.findall(r"`([^`]+)`", column)}


def covered():
    """Every call of which ramie::monkey::is_patched says, once it is chosen, that it is."""
    lists = re.findall(r"string_view \w+_calls =([^;]*);", COVERED.read_text())
    return {call for each in lists for text in re.findall(r'"([^"]*)"', each)
            for call in text.split()}


FUNCTIONS = names_of_functions(library("libc.so.6"))
PATCHED = dynamic_symbols(BUILD / "net/cli/libramie-preload.so", "--defined-only")


class imports(unittest.TestCase):
    def test_no_library_imports_a_call_that_blocks_the_thread(self):
        allowed = PATCHED | exceptions()
        for name, package in LIBRARIES.items():
            with self.subTest(library=name):
                file = library(name)
                if file is None:
                    self.skip_what_is_not_here(name, package)
                imported = dynamic_symbols(file, "--undefined-only")
                self.assertGreater(len(imported), 10, "this is not how its symbols are read")
                self.assertEqual(sorted((imported & BLOCKING) - allowed), [])

    def skip_what_is_not_here(self, name, package):
        if shutil.which("dpkg-query") and package in packages_of_dev():
            self.fail(f"{name} is missing, though ./dev installs {package}")
        self.skipTest(f"{name} is not installed")

    def test_every_call_that_can_block_is_patched_or_excused(self):
        callable_today = set().union(*FUNCTIONS)
        self.assertEqual(sorted((BLOCKING & callable_today) - PATCHED - exceptions()), [])

    def test_every_name_of_a_patched_call_is_patched_or_excused(self):
        self.assertIn({"read", "__read"}, FUNCTIONS, "this is not how its symbols are read")
        for names in FUNCTIONS:
            if names & PATCHED:
                self.assertEqual(sorted(names - PATCHED - exceptions()), [])

    def test_what_is_excused_is_not_patched(self):
        self.assertEqual(sorted(PATCHED & exceptions()), [], "docs/patching.md is out of date")

    def test_of_what_is_excused_nothing_is_said_to_be_patched(self):
        self.assertLess({"recv", "getaddrinfo", "fsync"}, covered(), "this is not how it is read")
        self.assertEqual(sorted(covered() & exceptions()), [])

    def test_what_is_excused_can_block(self):
        self.assertEqual(sorted(exceptions() - BLOCKING), [])

    def test_what_is_patched_and_waits_is_known_here(self):
        # One that is in nobody's list would never be missed.
        for call in ("recv", "poll", "sleep", "write", "accept4", "connect"):
            self.assertIn(call, PATCHED & BLOCKING)


if __name__ == "__main__":
    unittest.main(verbosity=2)
