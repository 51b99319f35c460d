// res_query and its family: questions to a name server whose answer is the bytes of a message.
//
// libc keeps the settings of these calls in the thread (`_res`); a thread of the resolver borrows
// those of the caller's. The res_n... calls name their settings themselves, and may keep a
// connection there: a fiber that is in one of them leaves it only when it is done.

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "calls.hpp"
#include "question_key.hpp"
#include "ramie/detail/questions.hpp"

namespace ramie::monkey::detail {

namespace {

// What a program changes in `_res`.
struct resolver_settings {
    bool set = (_res.options & RES_INIT) != 0;
    unsigned long options = _res.options;
    int retransmission = _res.retrans;
    int retries = _res.retry;

    void apply() const noexcept {
        _res.options = options;
        _res.retrans = retransmission;
        _res.retry = retries;
    }
};

class borrowed_settings {
  public:
    explicit borrowed_settings(const resolver_settings& of_caller) noexcept {
        if (!before_.set && res_init() == 0) before_ = resolver_settings();
        if (of_caller.set) of_caller.apply();
    }
    ~borrowed_settings() { before_.apply(); }
    borrowed_settings(const borrowed_settings&) = delete;
    borrowed_settings& operator=(const borrowed_settings&) = delete;

  private:
    resolver_settings before_;
};

struct message final : answer_base {
    std::vector<unsigned char> bytes;
    int length = -1;
    int error_number = 0;
    int host_error = 0;

    int give(unsigned char* buffer) const noexcept {
        if (length > 0)
            std::memcpy(buffer, bytes.data(), std::min(bytes.size(), std::size_t(length)));
        errno = error_number;
        h_errno = host_error;
        return length;
    }
};

using query = std::function<int(unsigned char* answer, int size)>;

int give_up(const asked& asked) noexcept {
    h_errno = asked.reason == wake::timed_out ? TRY_AGAIN : NETDB_INTERNAL;
    errno = asked.reason == wake::timed_out     ? ETIMEDOUT
            : asked.reason == wake::interrupted ? wait_error(asked.reason)
                                                : ENOMEM;
    return -1;
}

int put(question_key key, const query& call, unsigned char* buffer, int size) noexcept {
    try {
        const resolver_settings mine;
        key.add(size).add(mine.set).add(mine.options).add(mine.retransmission).add(mine.retries);
        const asked asked = ask(key.bytes(), [=] {
            auto answer = std::make_shared<message>();
            answer->bytes.resize(static_cast<std::size_t>(std::max(size, 0)));
            const borrowed_settings during(mine);
            errno = h_errno = 0;
            answer->length = call(answer->bytes.data(), size);
            answer->error_number = errno;
            answer->host_error = h_errno;
            return answer;
        });
        if (asked.answer == nullptr) return give_up(asked);
        return static_cast<const message&>(*asked.answer).give(buffer);
    } catch (...) {
        return give_up({});
    }
}

// With settings and buffers of the caller's.
template <class Call>
int to_the_end(Call call) noexcept {
    int length = -1;
    int error = 0;
    int host_error = 0;
    try {
        work_on_thread([&] {
            errno = h_errno = 0;
            length = call();
            error = errno;
            host_error = h_errno;
        });
    } catch (...) {
        return give_up({});
    }
    errno = error;
    h_errno = host_error;
    return length;
}

bool parks() noexcept { return on_fiber(family::dns); }

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int res_query(const char* name, int cls, int type, unsigned char* answer, int size) noexcept {
    if (!parks()) return real::res_query(name, cls, type, answer, size);
    return put(
        question_key("res_query").add(name).add(cls).add(type),
        [name = std::string(name), cls, type](unsigned char* to, int room) {
            return real::res_query(name.c_str(), cls, type, to, room);
        },
        answer, size);
}

int res_search(const char* name, int cls, int type, unsigned char* answer, int size) noexcept {
    if (!parks()) return real::res_search(name, cls, type, answer, size);
    return put(
        question_key("res_search").add(name).add(cls).add(type),
        [name = std::string(name), cls, type](unsigned char* to, int room) {
            return real::res_search(name.c_str(), cls, type, to, room);
        },
        answer, size);
}

int res_querydomain(const char* name, const char* domain, int cls, int type, unsigned char* answer,
                    int size) noexcept {
    if (!parks() || domain == nullptr)
        return real::res_querydomain(name, domain, cls, type, answer, size);
    return put(
        question_key("res_querydomain").add(name).add(domain).add(cls).add(type),
        [name = std::string(name), domain = std::string(domain), cls, type](unsigned char* to,
                                                                            int room) {
            return real::res_querydomain(name.c_str(), domain.c_str(), cls, type, to, room);
        },
        answer, size);
}

int res_send(const unsigned char* message, int length, unsigned char* answer, int size) noexcept {
    if (!parks() || length < 0) return real::res_send(message, length, answer, size);
    const std::string bytes(reinterpret_cast<const char*>(message),
                            static_cast<std::size_t>(length));
    return put(
        question_key("res_send").add(bytes),
        [bytes](unsigned char* to, int room) {
            return real::res_send(reinterpret_cast<const unsigned char*>(bytes.data()),
                                  static_cast<int>(bytes.size()), to, room);
        },
        answer, size);
}

int res_nquery(res_state settings, const char* name, int cls, int type, unsigned char* answer,
               int size) noexcept {
    const auto call = [=] { return real::res_nquery(settings, name, cls, type, answer, size); };
    return parks() ? to_the_end(call) : call();
}

int res_nsearch(res_state settings, const char* name, int cls, int type, unsigned char* answer,
                int size) noexcept {
    const auto call = [=] { return real::res_nsearch(settings, name, cls, type, answer, size); };
    return parks() ? to_the_end(call) : call();
}

int res_nquerydomain(res_state settings, const char* name, const char* domain, int cls, int type,
                     unsigned char* answer, int size) noexcept {
    const auto call = [=] {
        return real::res_nquerydomain(settings, name, domain, cls, type, answer, size);
    };
    return parks() ? to_the_end(call) : call();
}

int res_nsend(res_state settings, const unsigned char* message, int length, unsigned char* answer,
              int size) noexcept {
    const auto call = [=] { return real::res_nsend(settings, message, length, answer, size); };
    return parks() ? to_the_end(call) : call();
}
}
