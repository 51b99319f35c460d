#include "local_names.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "calls.hpp"

namespace ramie::monkey::detail {

namespace {

// Streams would bring their locales into every program that `ramie run` starts.
std::string content_of(const char* path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "re"),
                                                               real::fclose.get());
    std::string all;
    std::array<char, 4096> part;
    for (std::size_t n = 1; file != nullptr && n != 0; all.append(part.data(), n))
        n = real::fread(part.data(), 1, part.size(), file.get());
    return all;
}

// What stands before the first of `ends`, which is taken away with it.
std::string_view take_until(std::string_view ends, std::string_view& text) {
    const std::size_t end = std::min(text.find_first_of(ends), text.size());
    const std::string_view taken = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return taken;
}

// Empty: there is none left.
std::string_view take_word(std::string_view& line) {
    std::string_view word;
    while (word.empty() && !line.empty()) word = take_until(" \t\r\v\f", line);
    return word;
}

// A file that is read again when it has changed.
class watched_file {
  public:
    explicit watched_file(const char* path) : path_(path) {}

    // True when it is another than at the last call.
    bool has_changed() {
        struct stat now {};
        if (stat(path_, &now) != 0) now = {};
        const bool same = now.st_mtim.tv_sec == seen_.st_mtim.tv_sec &&
                          now.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec &&
                          now.st_size == seen_.st_size && now.st_ino == seen_.st_ino;
        seen_ = now;
        return !same;
    }

    // Calls `f` with the words of each line that has some; comments are left out.
    template <class F>
    void for_each_line(F f) const {
        const std::string content = content_of(path_);
        for (std::string_view left = content; !left.empty();) {
            std::string_view line = take_until("\n", left);
            std::string_view words = take_until("#", line);
            const std::string_view first = take_word(words);
            if (!first.empty()) f(first, words);
        }
    }

  private:
    const char* path_;
    struct stat seen_ {};
};

std::string lower(std::string_view name) {
    std::string all(name);
    std::ranges::transform(all, all.begin(), [](unsigned char c) { return std::tolower(c); });
    return all;
}

// A thread has its own, so that no lock can be held by a thread that a forked child has not.
class hosts_file {
  public:
    bool has(const char* name, int family) {
        read_what_has_changed();
        if (!is_first_) return false;
        const std::string key = lower(name);
        return (family != AF_INET6 && four_.contains(key)) ||
               (family != AF_INET && six_.contains(key));
    }

    bool has_address(std::string_view bytes) {
        read_what_has_changed();
        return is_first_ && addresses_.contains(bytes);
    }

  private:
    // Many questions at once are answered from one look: what is asked in vain of another thread,
    // or of libc, has the right answer, too.
    void read_what_has_changed() {
        const auto now = steady::now();
        if (now - looked_ < std::chrono::milliseconds(1)) return;
        looked_ = now;
        if (rules_.has_changed()) read_rules();
        if (hosts_.has_changed()) read_hosts();
    }

    // "hosts: files dns", and nothing between the two that would change what a success means.
    void read_rules() {
        is_first_ = false;
        rules_.for_each_line([this](std::string_view database, std::string_view services) {
            if (database != "hosts:") return;
            const bool is_files = take_word(services) == "files";
            is_first_ = is_files && !take_word(services).starts_with('[');
        });
    }

    void read_hosts() {
        four_.clear();
        six_.clear();
        addresses_.clear();
        hosts_.for_each_line([this](std::string_view first, std::string_view names) {
            const std::string address(first);
            in6_addr binary{};
            const bool is_four = inet_pton(AF_INET, address.c_str(), &binary) == 1;
            if (!is_four && inet_pton(AF_INET6, address.c_str(), &binary) != 1) return;
            const auto* const bytes = reinterpret_cast<const char*>(&binary);
            addresses_.emplace(bytes, is_four ? sizeof(in_addr) : sizeof(in6_addr));
            for (auto name = take_word(names); !name.empty(); name = take_word(names))
                (is_four ? four_ : six_).insert(lower(name));
        });
    }

    using steady = std::chrono::steady_clock;
    steady::time_point looked_;  // long ago
    watched_file rules_{"/etc/nsswitch.conf"};
    watched_file hosts_{"/etc/hosts"};
    bool is_first_ = false;
    std::set<std::string> four_, six_;
    std::set<std::string, std::less<>> addresses_;  // their bytes
};

hosts_file& hosts() {
    static thread_local hosts_file mine;
    return mine;
}

// False when there is no memory to know: then others are asked. Keeps errno.
template <class Question>
bool of_hosts_file(Question question) noexcept {
    const int saved = errno;
    bool answer = false;
    try {
        answer = question(hosts());
    } catch (...) {
    }
    errno = saved;
    return answer;
}

}  // namespace

bool is_numeric_host(const char* name) noexcept {
    // libc's reader of IPv4 addresses stops at a space; its resolver does not.
    in6_addr ignored{};
    in_addr four{};
    if (std::strpbrk(name, " \t\n\v\f\r") == nullptr && inet_aton(name, &four) != 0) return true;
    char address[INET6_ADDRSTRLEN];
    const std::size_t length = std::strcspn(name, "%");
    if (length >= sizeof address) return false;
    std::memcpy(address, name, length);
    address[length] = '\0';
    return inet_pton(AF_INET6, address, &ignored) == 1;
}

bool is_in_hosts_file(const char* name, int family) noexcept {
    return of_hosts_file([=](hosts_file& file) { return file.has(name, family); });
}

bool is_address_in_hosts_file(const void* address, std::size_t length, int family) noexcept {
    const bool is_four = family == AF_INET && length == sizeof(in_addr);
    const bool is_six = family == AF_INET6 && length == sizeof(in6_addr) &&
                        !IN6_IS_ADDR_V4MAPPED(static_cast<const in6_addr*>(address));
    if (!is_four && !is_six) return false;
    const std::string_view bytes(static_cast<const char*>(address), length);
    return of_hosts_file([=](hosts_file& file) { return file.has_address(bytes); });
}

}  // namespace ramie::monkey::detail
