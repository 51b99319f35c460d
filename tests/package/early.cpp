// Calls libc from a static constructor, the first of the program, before and after it patches; then
// from fibers, where the same calls park.
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <ramie/run.hpp>

namespace {

bool is_right(bool right, const char* what) {
    if (!right) std::fprintf(stderr, "%s\n", what);
    return right;
}

// Two ends: what one puts, the other gets.
struct meeting {
    meeting() {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0 || pipe(fds) != 0) return;
        in = fdopen(fds[0], "r");
        out = fdopen(fds[1], "w");
    }
    ~meeting() {
        for (const int each : sockets) close(each);
        for (FILE* const each : {in, out}) std::fclose(each);
    }
    meeting(const meeting&) = delete;
    meeting& operator=(const meeting&) = delete;

    template <class Pause>
    bool put(Pause pause) {
        pause();
        const bool written = write(sockets[1], "x", 1) == 1;
        pause();
        const bool printed = std::fputs("a line\n", out) >= 0 && std::fflush(out) == 0;
        pause();
        pthread_mutex_lock(&mutex);
        has_come = true;
        pthread_cond_signal(&condition);
        pthread_mutex_unlock(&mutex);
        return is_right(written, "write") && is_right(printed, "fputs");
    }
    bool get() {
        char byte = 0;
        const bool has_read = read(sockets[0], &byte, 1) == 1 && byte == 'x';
        char line[20] = "";
        const bool has_line =
            std::fgets(line, sizeof line, in) != nullptr && std::strcmp(line, "a line\n") == 0;
        pthread_mutex_lock(&mutex);
        while (!has_come) pthread_cond_wait(&condition, &mutex);
        pthread_mutex_unlock(&mutex);
        return is_right(has_read, "read") && is_right(has_line, "fgets");
    }

    int sockets[2] = {-1, -1};
    FILE* in = nullptr;
    FILE* out = nullptr;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    bool has_come = false;
};

bool finds_an_address() {
    addrinfo* found = nullptr;
    if (!is_right(getaddrinfo("127.0.0.1", "80", nullptr, &found) == 0, "getaddrinfo"))
        return false;
    const bool has_one = found->ai_family == AF_INET;
    freeaddrinfo(found);
    return is_right(has_one, "an address");
}

bool meets_itself() {
    meeting m;
    return m.put([] {}) && m.get() && finds_an_address();
}

// Who gets has to wait for each of the three, while the thread goes on.
bool meets_on_fibers() {
    meeting m;
    bool is_parked = true;
    const auto getter = ramie::spawn([&] { return m.get(); });
    const auto let_it_wait = [&] {
        for (int i = 0; i != 8; ++i) ramie::this_fiber::yield();
        is_parked = is_parked && !getter.ready();
    };
    const auto putter = ramie::spawn([&] { return m.put(let_it_wait) && finds_an_address(); });
    return putter.get() && getter.get() && is_right(is_parked, "to park");
}

struct early {
    bool before = meets_itself();
    bool after = (ramie::monkey::patch_all(), meets_itself());
};
[[gnu::init_priority(101)]] early constructed;

}  // namespace

int main() {
    if (!is_right(constructed.before, "before the patch")) return 1;
    if (!is_right(constructed.after, "after the patch")) return 1;
    return ramie::run([] { return meets_on_fibers() && meets_itself() ? 0 : 1; });
}
