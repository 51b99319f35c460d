// Off fibers, on a plain thread or in a signal handler, patched calls ask for no memory and leave
// errno alone, although there are fibers: the caller may have interrupted an allocation.

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <thread>
#include <utility>

#include "calls.hpp"
#include "support/allocations.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;

// What the calls work on. The sockets and the pipe have a few bytes to be read.
class things {
  public:
    things() {
        must("sem_init", ::sem_init(&semaphore, 0, 0));
        for (const ends& each : {tcp, local, pipe}) must("write", ::write(each.b, "bytes", 5));
        // With a buffer of its own, for libc would ask for one at the first byte.
        std::setvbuf(stream, buffer.data(), _IOFBF, buffer.size());
        std::setvbuf(unbuffered, nullptr, _IONBF, 0);
    }
    ~things() {
        for (FILE* const each : {stream, unbuffered}) std::fclose(each);
        for (const ends& each : {tcp, local, pipe, streamed, printed}) {
            ::close(each.a);
            ::close(each.b);
        }
        ::sem_destroy(&semaphore);
    }
    things(const things&) = delete;
    things& operator=(const things&) = delete;

    ends tcp = open_channel(channel::tcp);
    ends local = open_channel(channel::unix_stream);
    ends pipe = open_channel(channel::pipe);
    ends streamed = open_channel(channel::pipe);
    ends printed = open_channel(channel::pipe);
    FILE* stream = ::fdopen(::dup(streamed.b), "w");
    FILE* unbuffered = ::fdopen(::dup(printed.b), "w");
    std::array<char, 16> buffer{};
    sem_t semaphore{};
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
};

long read_byte(int fd) {
    char byte;
    return ::read(fd, &byte, 1);
}
long wait_for(const ends& e) {
    std::array<pollfd, 2> both{{{e.a, POLLIN, 0}, {e.b, POLLOUT, 0}}};
    return ::poll(both.data(), 2, -1);
}

struct quiet_call {
    const char* name;
    long (*make)(things&);
    long (*wait)(things&) = nullptr;  // by a fiber, for this
};
void PrintTo(const quiet_call& call, std::ostream* out) { *out << call.name; }

constexpr quiet_call calls[] = {
    {"recv",
     [](things& t) {
         char byte;
         return ::recv(t.tcp.a, &byte, 1, 0);
     }},
    {"send", [](things& t) { return ::send(t.tcp.a, "x", 1, 0); }},
    {"read_of_a_socket", [](things& t) { return read_byte(t.local.a); }},
    {"read_of_a_pipe", [](things& t) { return read_byte(t.pipe.a); }},
    {"write_to_a_socket", [](things& t) { return ::write(t.local.a, "x", 1); }},
    {"write_to_a_pipe", [](things& t) { return ::write(t.pipe.b, "x", 1); }},
    {"poll", [](things& t) { return wait_for(t.tcp); }},
    {"usleep", [](things&) { return long{::usleep(1)}; }},
    {"sem_post", [](things& t) { return long{::sem_post(&t.semaphore)}; }},
    {"sem_post_for_a_fiber", [](things& t) { return long{::sem_post(&t.semaphore)}; },
     [](things& t) { return long{::sem_wait(&t.semaphore)}; }},
    {"pthread_mutex_lock_and_unlock",
     [](things& t) {
         return -long{::pthread_mutex_lock(&t.mutex) + ::pthread_mutex_unlock(&t.mutex)};
     }},
    {"pthread_cond_signal", [](things& t) { return -long{::pthread_cond_signal(&t.condition)}; }},
    {"fputc_to_a_buffer", [](things& t) { return long{std::fputc('x', t.stream)}; }},
    {"fputc_to_a_full_buffer",
     [](things& t) {
         long result = 0;
         for (std::size_t i = 0; i != 2 * t.buffer.size(); ++i) result = std::fputc('x', t.stream);
         return result;
     }},
    {"fputc_to_no_buffer", [](things& t) { return long{std::fputc('x', t.unbuffered)}; }},
    {"fflush",
     [](things& t) {
         std::fputc('x', t.stream);
         return long{std::fflush(t.stream)};
     }},
    {"close", [](things& t) { return long{::close(std::exchange(t.local.a, -1))}; }},
    {"close_for_a_fiber", [](things& t) { return long{::close(std::exchange(t.streamed.a, -1))}; },
     [](things& t) { return read_byte(t.streamed.a) == -1 && errno == EBADF ? 0L : -1L; }},
    {"dup2", [](things& t) { return long{::dup2(t.pipe.a, t.local.a)}; }},
    {"dup2_for_a_fiber", [](things& t) { return long{::dup2(t.pipe.a, t.streamed.a)}; },
     [](things& t) { return read_byte(t.streamed.a) == -1 && errno == EBADF ? 0L : -1L; }},
};

// What the handler is to call, and what came of it.
const quiet_call* called = nullptr;
things* worked_on = nullptr;
struct outcome {
    bool was_on_fiber;
    long result;
    std::size_t asked_for;
    int error;
} seen;

void make_call(int) {
    const int saved = std::exchange(errno, ENOTTY);
    const std::size_t before = allocations();
    const long result = called->make(*worked_on);
    seen = {ramie::detail::current_fiber != nullptr, result, allocations() - before, errno};
    errno = saved;
}

class off_fibers : public patched_test, public ::testing::WithParamInterface<quiet_call> {
  protected:
    void SetUp() override {
        called = &GetParam();
        worked_on = &things_.emplace();
        ::signal(SIGUSR2, &make_call);
    }
    void TearDown() override {
        ::signal(SIGUSR2, SIG_DFL);
        things_.reset();
        patched_test::TearDown();
    }

    // `off_fiber` leaves it to make_call().
    template <class F>
    void expect_no_memory(F off_fiber) {
        const auto waiter = ramie::spawn(
            [&] { EXPECT_EQ(called->wait == nullptr ? 0 : called->wait(*things_), 0); });
        let_others_run();
        EXPECT_EQ(waiter.ready(), called->wait == nullptr);
        off_fiber();
        waiter.get();
        EXPECT_FALSE(seen.was_on_fiber);
        EXPECT_GE(seen.result, 0);
        EXPECT_EQ(seen.asked_for, 0U);
        EXPECT_EQ(seen.error, ENOTTY);
    }

  private:
    std::optional<things> things_;
};

TEST_P(off_fibers, on_a_plain_thread_no_memory_is_asked_for) {
    expect_no_memory([] { std::thread(&make_call, 0).join(); });
}

TEST_P(off_fibers, in_a_handler_no_memory_is_asked_for) {
    expect_no_memory([] { ::raise(SIGUSR2); });
}

INSTANTIATE_TEST_SUITE_P(, off_fibers, ::testing::ValuesIn(calls),
                         [](const auto& each) { return each.param.name; });

}  // namespace
