#pragma once
// One call of every kind that waits, and what ends its wait.
//
//     for (const waiting_call& each : waiting_calls()) {
//         site s(each);
//         ... each.wait(s) ...       // in a fiber or a thread
//         each.end(s);               // elsewhere
//     }

#include <semaphore.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "support/channels.hpp"
#include "support/children.hpp"

namespace ramie::test {

struct site;

struct waiting_call {
    const char* name;
    void (*prepare)(site&);
    long (*wait)(const site&);   // returns 0, or -1 with errno, as the call does
    void (*end)(site&);          // a sleep ends a moment later
    int error = 0;               // of an ended wait; 0: none
    bool restarts = true;        // after a signal's handler with SA_RESTART
    bool in_every_mode = false;  // waits also when the descriptor is non-blocking
    bool is_cancellable = true;  // by pthread_cancel() of its thread, as libc has it
    bool is_by_futex = false;
};

// What one such wait takes: closed, and its child reaped, at the end.
struct site {
    explicit site(const waiting_call& call) { call.prepare(*this); }
    ~site() { close(); }
    site(const site&) = delete;
    site& operator=(const site&) = delete;

    int own(int fd);
    // Before the end; harmless twice.
    void close();

    int fd = -1;       // what is waited on; none for a sleep
    int peer = -1;     // what ends the wait
    address at;        // of a listener
    int file = -1;     // what is sent
    std::string path;  // of a FIFO
    std::vector<int> owned;
    FILE* stream = nullptr;
    std::unique_ptr<child> process;
    mutable sem_t semaphore{};
    std::atomic<bool> has_slept_enough{false};
};

std::span<const waiting_call> waiting_calls();
// Makes the call; 0, or errno.
int outcome_of(const waiting_call&, const site&);
// True when that thread is in the middle of it.
bool is_blocked_in(const waiting_call&, pid_t thread);

inline void PrintTo(const waiting_call& call, std::ostream* out) { *out << call.name; }
template <class Info>
std::string call_name(const Info& info) {
    return info.param.name;
}

}  // namespace ramie::test
