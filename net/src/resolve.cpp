#include "ramie/net/resolve.hpp"

#include <netdb.h>

#include <cerrno>
#include <memory>
#include <string>

#include "ramie/detail/fiber_core.hpp"
#include "ramie/detail/questions.hpp"

namespace ramie::net {

namespace {

class errors_of_names final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "names"; }
    [[nodiscard]] std::string message(int code) const override { return gai_strerror(code); }

    [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
        switch (code) {
            case EAI_NONAME:
            case EAI_NODATA:
            case EAI_ADDRFAMILY:
                return name_error::not_found;
            case EAI_SERVICE:
                return name_error::unknown_service;
            case EAI_AGAIN:
                return name_error::try_again;
            case EAI_FAIL:
                return name_error::refused;
            default:
                return {code, *this};
        }
    }
};

class conditions_of_names final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "name conditions"; }
    [[nodiscard]] std::string message(int condition) const override {
        static constexpr const char* texts[] = {"", "no such name", "no such service",
                                                "nobody answered", "a server refused"};
        return texts[condition];
    }
};

const std::error_category& condition_category() noexcept {
    static const conditions_of_names only;
    return only;
}

struct found_addresses final : ramie::detail::answer_base {
    std::vector<endpoint> all;
    int code = 0;
    int error_number = 0;
};

struct free_addresses {
    void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};

// As libc does it, which may be the patched one: here it is called outside of fibers, or asked for
// what needs nobody else.
std::shared_ptr<found_addresses> look_up(const std::string& host, const std::string& service,
                                         int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* list = nullptr;
    auto answer = std::make_shared<found_addresses>();
    answer->code = getaddrinfo(host.empty() ? nullptr : host.c_str(),
                               service.empty() ? nullptr : service.c_str(), &hints, &list);
    answer->error_number = errno;
    const std::unique_ptr<addrinfo, free_addresses> owner(answer->code == 0 ? list : nullptr);
    using enum ramie::detail::answer_base::worth;
    if (answer->code == EAI_NONAME || answer->code == EAI_NODATA) answer->kept_as = a_failure;
    if (answer->code != 0) return answer;
    answer->kept_as = a_success;
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next)
        answer->all.push_back(endpoint::from_native(each->ai_addr, each->ai_addrlen));
    return answer;
}

[[noreturn]] void fail(int code, int error_number, const std::string& what) {
    if (code == EAI_SYSTEM) throw std::system_error(error_number, std::generic_category(), what);
    throw std::system_error(code, name_category(), what);
}

std::vector<endpoint> addresses_in(const found_addresses& answer, const std::string& what) {
    if (answer.code != 0) fail(answer.code, answer.error_number, what);
    return answer.all;
}

}  // namespace

const std::error_category& name_category() noexcept {
    static const errors_of_names only;
    return only;
}

std::error_condition make_error_condition(name_error e) noexcept {
    return {static_cast<int>(e), condition_category()};
}

std::vector<endpoint> resolve(std::string_view host_text, std::string_view service_text,
                              deadline until) {
    const std::string host(host_text);
    const std::string service(service_text);
    const std::string what = "resolve \"" + host + "\", \"" + service + '"';
    static_cast<void>(ramie::detail::waiting_fiber("resolve"));
    const auto numeric = look_up(host, service, AI_NUMERICHOST);
    if (numeric->code != EAI_NONAME) return addresses_in(*numeric, what);

    const std::string key = "resolve" + ('\0' + host) + '\0' + service;
    for (;;) {
        if (until.expired()) throw timeout_expired(what);
        const ramie::detail::asked asked = ramie::detail::ask(
            key, [=] { return look_up(host, service, 0); }, until);
        if (asked.answer != nullptr)
            return addresses_in(static_cast<const found_addresses&>(*asked.answer), what);
        if (asked.reason == ramie::detail::wake::interrupted) ramie::detail::raise_interrupt();
        if (asked.reason == ramie::detail::wake::granted) fail(EAI_MEMORY, 0, what);
        if (asked.reason == ramie::detail::wake::timed_out && !until.expired())
            fail(EAI_AGAIN, 0, what);  // the resolver's own limit
    }
}

tcp_stream connect(std::string_view host, std::string_view service, deadline until) {
    const std::vector<endpoint> all = resolve(host, service, until);
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
        try {
            return tcp_stream::connect(all[i], until);
        } catch (const std::system_error&) {  // the next one may
        }
    }
    return tcp_stream::connect(all.back(), until);
}

}  // namespace ramie::net
