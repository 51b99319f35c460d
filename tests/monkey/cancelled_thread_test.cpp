// A plain thread that is cancelled in a call ends there, as with libc alone: what unwinds its stack
// passes through the functions that lie in front of libc's.

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "support/patched_test.hpp"
#include "support/sanitizers.hpp"
#include "support/temporary.hpp"
#include "support/threads.hpp"
#include "support/waiting_calls.hpp"

namespace {

using namespace ramie::test;
namespace original = ramie::monkey::original;

class plain_thread {
  public:
    explicit plain_thread(std::function<void()> body) : body_(std::move(body)) {
        must("pthread_create", -::pthread_create(&thread_, nullptr, &run, this));
    }
    plain_thread(const plain_thread&) = delete;
    plain_thread& operator=(const plain_thread&) = delete;

    [[nodiscard]] pid_t id() const {
        while (id_ == 0) std::this_thread::yield();
        return id_;
    }
    void cancel() const { ::pthread_cancel(thread_); }
    // When it has ended.
    [[nodiscard]] bool was_cancelled() const {
        void* end = nullptr;
        ::pthread_join(thread_, &end);
        return end == PTHREAD_CANCELED;
    }

  private:
    static void* run(void* self) {
        auto& me = *static_cast<plain_thread*>(self);
        me.id_ = static_cast<pid_t>(::syscall(SYS_gettid));
        me.body_();
        return nullptr;
    }

    std::function<void()> body_;
    std::atomic<pid_t> id_{0};
    pthread_t thread_{};
};

class cancelled_threads : public patched_test {
  protected:
    // It stops at the marks that the frames have left when the thread ends.
    void SetUp() override {
        if (address_sanitizer) GTEST_SKIP() << "AddressSanitizer does not see a cancel's unwinding";
    }
};

class a_cancelled_thread : public cancelled_threads,
                           public ::testing::WithParamInterface<waiting_call> {};

TEST_P(a_cancelled_thread, ends_where_it_waits) {
    site s(GetParam());
    const plain_thread waiting([&] {
        for (;;) {
            GetParam().wait(s);
            if (!GetParam().is_cancellable) ::pthread_testcancel();
        }
    });
    while (!is_blocked_in(GetParam(), waiting.id())) std::this_thread::yield();
    waiting.cancel();
    if (!GetParam().is_cancellable) GetParam().end(s);
    EXPECT_TRUE(waiting.was_cancelled());
}

INSTANTIATE_TEST_SUITE_P(, a_cancelled_thread, ::testing::ValuesIn(waiting_calls()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

// --- calls that need not wait -----------------------------------------------------------------

// What they work on: streams of a pipe, one that is written to at once, and a file.
struct material {
    material() {
        const ends pipe = open_channel(channel::pipe);
        in = ::fdopen(pipe.a, "r");
        out = ::fdopen(pipe.b, "w");
        direct = ::fdopen(must("dup", ::dup(pipe.b)), "w");
        std::setvbuf(direct, nullptr, _IONBF, 0);
        file = make_temporary_file(name);
    }
    ~material() {
        for (FILE* const each : {direct, out, in}) std::fclose(each);
        ::close(file);
        ::unlink(name.c_str());
    }
    material(const material&) = delete;
    material& operator=(const material&) = delete;

    FILE* in;
    FILE* out;
    FILE* direct;
    int file;
    std::string name;
};

struct brief_call {
    const char* name;
    void (*make)(const material&);
};
void PrintTo(const brief_call& c, std::ostream* out) { *out << c.name; }

char bytes[16] = "some bytes";
const iovec part{bytes, 4};
char* line = nullptr;
std::size_t line_size = 0;
int number = 0;

constexpr brief_call brief_calls[] = {
    {"getc", [](const material& m) { std::getc(m.in); }},
    {"getline", [](const material& m) { static_cast<void>(::getline(&line, &line_size, m.in)); }},
    {"fread", [](const material& m) { static_cast<void>(std::fread(bytes, 1, 4, m.in)); }},
    {"fscanf", [](const material& m) { static_cast<void>(std::fscanf(m.in, "%d", &number)); }},
    {"fgetc_unlocked", [](const material& m) { ::fgetc_unlocked(m.in); }},
    {"fputc", [](const material& m) { std::fputc('x', m.direct); }},
    {"fputs", [](const material& m) { std::fputs("text", m.direct); }},
    {"fwrite", [](const material& m) { std::fwrite(bytes, 1, 4, m.direct); }},
    {"fprintf", [](const material& m) { std::fprintf(m.direct, "%d", number); }},
    {"dprintf", [](const material& m) { ::dprintf(m.file, "%d", number); }},
    {"fflush",
     [](const material& m) {
         std::fputc('x', m.out);
         std::fflush(m.out);
     }},
    {"fflush_of_all",
     [](const material& m) {
         std::fputc('x', m.out);
         std::fflush(nullptr);
     }},
    {"fseek",
     [](const material& m) {
         std::fputc('x', m.out);
         std::fseek(m.out, 0, SEEK_SET);
     }},
    {"open", [](const material& m) { ::open(m.name.c_str(), O_RDONLY | O_CLOEXEC); }},
    {"openat", [](const material& m) { ::openat(AT_FDCWD, m.name.c_str(), O_RDONLY); }},
    {"creat", [](const material& m) { ::creat(m.name.c_str(), 0600); }},
    {"fopen", [](const material& m) { std::fopen(m.name.c_str(), "re"); }},
    {"pread", [](const material& m) { static_cast<void>(::pread(m.file, bytes, 4, 0)); }},
    {"pwrite", [](const material& m) { static_cast<void>(::pwrite(m.file, bytes, 4, 0)); }},
    {"preadv", [](const material& m) { static_cast<void>(::preadv(m.file, &part, 1, 0)); }},
    {"pwritev", [](const material& m) { static_cast<void>(::pwritev(m.file, &part, 1, 0)); }},
    {"fsync", [](const material& m) { ::fsync(m.file); }},
    {"fdatasync", [](const material& m) { ::fdatasync(m.file); }},
    {"lockf", [](const material& m) { static_cast<void>(::lockf(m.file, F_LOCK, 0)); }},
    {"wait3", [](const material&) { ::wait3(nullptr, 0, nullptr); }},
    {"wait4", [](const material&) { ::wait4(-1, nullptr, 0, nullptr); }},
    {"waitid", [](const material&) { ::waitid(P_ALL, 0, nullptr, WEXITED); }},
    {"system", [](const material&) { static_cast<void>(std::system("exit 0")); }},
    {"close", [](const material&) { ::close(-1); }},
};

class a_thread_to_be_cancelled : public cancelled_threads,
                                 public ::testing::WithParamInterface<brief_call> {};

TEST_P(a_thread_to_be_cancelled, ends_at_its_next_call) {
    const material m;
    bool went_on = false;
    const plain_thread calling([&] {
        ::pthread_cancel(::pthread_self());
        GetParam().make(m);
        went_on = true;
    });
    EXPECT_TRUE(calling.was_cancelled());
    EXPECT_FALSE(went_on);
}

INSTANTIATE_TEST_SUITE_P(, a_thread_to_be_cancelled, ::testing::ValuesIn(brief_calls),
                         call_name<::testing::TestParamInfo<brief_call>>);

// --- commands ---------------------------------------------------------------------------------

TEST_F(cancelled_threads, leave_no_command_behind) {
    for (int (*const call)(const char*) : {&original::system, &std::system}) {
        const plain_thread waiting([=] { static_cast<void>(call("exec sleep 1000")); });
        while (!is_in_call(waiting.id(), {SYS_wait4})) std::this_thread::yield();
        waiting.cancel();
        EXPECT_TRUE(waiting.was_cancelled());
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
        EXPECT_EQ(errno, ECHILD);
        struct sigaction now {};
        ::sigaction(SIGINT, nullptr, &now);
        EXPECT_NE(now.sa_handler, SIG_IGN);
    }
}

TEST_F(cancelled_threads, wait_for_the_command_that_they_close) {
    for (const bool is_plain : {true, false}) {
        FILE* const stream = (is_plain ? &original::popen : &::popen)("read word || exit 5", "w");
        ASSERT_NE(stream, nullptr);
        int status = -1;
        const plain_thread closing([&] {
            ::pthread_cancel(::pthread_self());
            status = (is_plain ? &original::pclose : &::pclose)(stream);
            ::pthread_testcancel();
        });
        EXPECT_TRUE(closing.was_cancelled());
        EXPECT_EQ(WEXITSTATUS(status), 5);
    }
}

}  // namespace
