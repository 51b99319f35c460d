// Opening FIFOs and locking files, compared with the kernel.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "support/oracle_cases.hpp"
#include "support/patched_test.hpp"
#include "support/temporary.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

// Another one for each time that the scenario is played.
std::string new_fifo() {
    const std::string name = temporary_name();
    must("mkfifo", ::mkfifo(name.c_str(), 0600));
    return name;
}

// The numbers differ; what is read and the mode do not.
void read_from(actor& me, const std::string& path, int flags = O_RDONLY) {
    const int fd = me.make("open", [&] { return ::open(path.c_str(), flags | O_CLOEXEC); });
    if (fd < 0) return;
    me.log_mode(fd);
    me.receive(receiver::read, fd, 10);
    me.receive(receiver::read, fd, 10);
    me.close(fd);
}

void write_to(actor& me, const std::string& path) {
    const int fd = me.make("open", [&] { return ::open(path.c_str(), O_WRONLY | O_CLOEXEC); });
    me.log_mode(fd);
    me.send(sender::write, fd, "hello");
    me.close(fd);
}

void the_reader_waits_for_a_writer(stage& s) {
    const std::string path = new_fifo();
    s.add("reader", [=](actor& me) { read_from(me, path); });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        write_to(me, path);
        me.until_ended("reader");
        ::unlink(path.c_str());
    });
}

void the_writer_waits_for_a_reader(stage& s) {
    const std::string path = new_fifo();
    s.add("writer", [=](actor& me) { write_to(me, path); });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        read_from(me, path);
        ::unlink(path.c_str());
    });
}

void by_every_name(stage& s) {
    using opener = int (*)(const char*);
    constexpr opener openers[] = {
        [](const char* path) { return ::openat(AT_FDCWD, path, O_RDONLY); },
        [](const char* path) { return ::openat64(AT_FDCWD, path, O_RDONLY); },
        [](const char* path) { return ::open64(path, O_RDONLY); },
    };
    for (std::size_t i = 0; i != std::size(openers); ++i) {
        const std::string path = new_fifo();
        const std::string name = "reader " + std::to_string(i);
        const opener open = openers[i];
        s.add(name,
              [=](actor& me) { me.close(me.make("open", [&] { return open(path.c_str()); })); });
        s.add("for " + name, [=](actor& me) {
            me.until_blocked(name);
            me.close(me.make("creat", [&] { return ::creat(path.c_str(), 0600); }));
            ::unlink(path.c_str());
        });
    }
}

void who_does_not_want_to_wait_need_not(stage& s) {
    const std::string path = new_fifo();
    s.add("caller", [=](actor& me) {
        me.make("open", [&] { return ::open(path.c_str(), O_WRONLY | O_NONBLOCK); });
        const int reader =
            me.make("open", [&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK); });
        me.log_mode(reader);
        me.close(reader);
        me.close(me.make("open", [&] { return ::open(path.c_str(), O_RDWR); }));
        me.make("open", [&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY); });
        me.make("open", [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600); });
        ::unlink(path.c_str());
        me.make("open", [&] { return ::open(path.c_str(), O_RDONLY); });
        me.make("open", [] { return ::open(bad_pointer<char>(), O_RDONLY); });
        me.make("open", [&] { return ::openat(900, "name", O_RDONLY); });
    });
}

void files_are_opened_as_ever(stage& s) {
    const std::string path = temporary_name();
    s.add("caller", [=](actor& me) {
        const int made =
            me.make("open", [&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0640); });
        struct stat status {};
        must("fstat", ::fstat(made, &status));
        me.log("mode " + std::to_string(status.st_mode));
        me.close(made);
        me.close(me.make("open", [&] { return ::open("/tmp", O_RDWR | O_TMPFILE, 0600); }));
        ::unlink(path.c_str());
    });
}

// --- locks -----------------------------------------------------------------------------------

long set_lock(int fd, int command, short type) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return ::fcntl(fd, command, &lock);
}

void a_lock_is_waited_for(stage& s) {
    const std::string path = temporary_name();
    const int first = s.own(must("open", ::open(path.c_str(), O_RDWR | O_CREAT, 0600)));
    const int second = s.own(must("open", ::open(path.c_str(), O_RDWR)));
    ::unlink(path.c_str());
    must("flock", ::flock(first, LOCK_EX));
    must("fcntl", set_lock(first, F_OFD_SETLK, F_WRLCK));
    s.add("waiter", [=](actor& me) {
        me.call("flock", [=] { return ::flock(second, LOCK_EX | LOCK_NB); });
        me.call("fcntl", [=] { return set_lock(second, F_OFD_SETLK, F_WRLCK); });
        me.call("flock", [=] { return ::flock(second, LOCK_EX); });
        me.call("fcntl", [=] { return set_lock(second, F_OFD_SETLKW, F_WRLCK); });
        me.call("flock", [=] { return ::flock(second, LOCK_UN); });
    });
    s.add("holder", [=](actor& me) {
        me.until_blocked("waiter", 2);
        me.call("flock", [=] { return ::flock(first, LOCK_UN); });
        me.until_blocked("waiter", 3);
        me.call("fcntl", [=] { return set_lock(first, F_OFD_SETLK, F_UNLCK); });
    });
}

void a_lock_that_cannot_be(stage& s) {
    const ends pipe = s.open(channel::pipe);
    const int file = s.own(must("open", ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    s.add("caller", [=](actor& me) {
        me.call("flock", [] { return ::flock(900, LOCK_EX); });
        me.call("flock", [=] { return ::flock(file, 77); });
        me.call("fcntl", [=] { return set_lock(file, F_SETLKW, F_WRLCK); });
        me.call("fcntl", [=] { return set_lock(pipe.a, F_OFD_SETLKW, F_RDLCK); });
        me.call("fcntl", [=] { return ::fcntl(file, F_SETLKW, bad_pointer<struct flock>()); });
        me.call("lockf", [=] { return ::lockf(file, F_LOCK, 0); });
        me.call("lockf", [] { return ::lockf(900, F_LOCK, 0); });
    });
}

// As fopen() and freopen() open them; "+" never waits.
void a_stream_waits_for_the_other_end(stage& s) {
    const std::string path = new_fifo();
    const std::string second = new_fifo();
    s.add("opener", [=](actor& me) {
        const auto call = [&](const char* name, auto open) {
            FILE* stream = nullptr;
            me.call(name, [&] {
                stream = open();
                return stream == nullptr ? -1L : 0L;
            });
            if (stream != nullptr) me.log_mode(::fileno(stream));
            return stream;
        };
        std::array<char, 20> line{};
        FILE* stream = call("fopen", [&] { return ::fopen(path.c_str(), "re"); });
        me.call("fgets", [&] { return std::fgets(line.data(), line.size(), stream) == nullptr; });
        me.log(line.data());
        me.call("fclose", [&] { return std::fclose(stream); });
        stream = call("a file", [] { return std::fopen("/dev/null", "r"); });
        stream = call("freopen", [&] { return ::freopen(path.c_str(), "w", stream); });
        me.call("fputs", [&] { return std::fputs("from the writer", stream); });
        me.call("fclose", [&] { return std::fclose(stream); });
        stream = call("fopen", [&] { return ::fopen64(second.c_str(), "a"); });
        me.call("fclose", [&] { return std::fclose(stream); });
        stream = call("both", [&] { return std::fopen(path.c_str(), "r+"); });
        // freopen() closes it when it fails, and does not free it.
        static auto* const lost = new std::vector<FILE*>;
        lost->push_back(stream);
        stream = call("freopen", [&] { return ::freopen64("/no/such/file", "r", stream); });
        call("mode", [&] { return std::fopen(path.c_str(), "q"); });
        call("exists", [&] { return std::fopen(path.c_str(), "wx"); });
        stream = call("a file", [] { return std::fopen("/proc/self/stat", "r"); });
        stream = call("freopen", [&] { return std::freopen("/dev/null", "r+", stream); });
        me.call("fclose", [&] { return std::fclose(stream); });
        for (const std::string& each : {path, second}) ::unlink(each.c_str());
    });
    s.add("other", [=](actor& me) {
        me.until_blocked("opener");
        int fd = me.make("open", [=] { return ::open(path.c_str(), O_WRONLY); });
        me.call("write", [=] { return ::write(fd, "to the reader", 13); });
        me.until_blocked("opener");
        me.close(fd);
        me.until_blocked("opener", 4);
        fd = me.make("open", [=] { return ::open(path.c_str(), O_RDONLY); });
        me.receive(receiver::read, fd, 20);
        me.receive(receiver::read, fd, 20);
        me.close(fd);
        me.until_blocked("opener", 7);
        fd = me.make("open", [=] { return ::open(second.c_str(), O_RDONLY); });
        me.receive(receiver::read, fd, 20);
        me.close(fd);
    });
}

const named_scenario scenarios[] = {
    {"a_stream_waits_for_the_other_end", a_stream_waits_for_the_other_end},
    {"the_reader_waits_for_a_writer", the_reader_waits_for_a_writer},
    {"the_writer_waits_for_a_reader", the_writer_waits_for_a_reader},
    {"by_every_name", by_every_name},
    {"who_does_not_want_to_wait_need_not", who_does_not_want_to_wait_need_not},
    {"files_are_opened_as_ever", files_are_opened_as_ever},
    {"a_lock_is_waited_for", a_lock_is_waited_for},
    {"a_lock_that_cannot_be", a_lock_that_cannot_be},
};

class opening : public ::testing::TestWithParam<named_scenario> {};

TEST_P(opening, is_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, opening, ::testing::ValuesIn(scenarios), scenario_name);

// The writer may be gone again before the reader looks.
TEST(opening_on_fibers, a_writer_that_was_there_is_enough) {
    ramie::monkey::patch_all();
    ramie::run([] {
        const std::string path = new_fifo();
        const auto reader = ramie::spawn([&] {
            const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
            EXPECT_GE(fd, 0);
            char byte;
            EXPECT_EQ(::read(fd, &byte, 1), 0);
            ::close(fd);
        });
        let_others_run();
        ::close(must("open", ::open(path.c_str(), O_WRONLY | O_CLOEXEC)));
        reader.get();
        ::unlink(path.c_str());
    });
}

}  // namespace
