#include "local_names.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>

namespace ramie::monkey::detail {

namespace {

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
        std::ifstream file(path_);
        for (std::string line; std::getline(file, line);) {
            std::istringstream words(line.substr(0, line.find('#')));
            if (std::string first; words >> first) f(first, words);
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
        if (rules_.has_changed()) read_rules();
        if (hosts_.has_changed()) read_hosts();
        if (!is_first_) return false;
        const std::string key = lower(name);
        return (family != AF_INET6 && four_.contains(key)) ||
               (family != AF_INET && six_.contains(key));
    }

  private:
    // "hosts: files dns", and nothing between the two that would change what a success means.
    void read_rules() {
        is_first_ = false;
        rules_.for_each_line([this](const std::string& database, std::istringstream& words) {
            std::string service;
            std::string next;
            if (database != "hosts:") return;
            words >> service >> next;
            is_first_ = service == "files" && !next.starts_with('[');
        });
    }

    void read_hosts() {
        four_.clear();
        six_.clear();
        hosts_.for_each_line([this](const std::string& address, std::istringstream& names) {
            in6_addr ignored{};
            const bool is_four = inet_pton(AF_INET, address.c_str(), &ignored) == 1;
            if (!is_four && inet_pton(AF_INET6, address.c_str(), &ignored) != 1) return;
            for (std::string name; names >> name;) (is_four ? four_ : six_).insert(lower(name));
        });
    }

    watched_file rules_{"/etc/nsswitch.conf"};
    watched_file hosts_{"/etc/hosts"};
    bool is_first_ = false;
    std::set<std::string> four_, six_;
};

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
    const int saved = errno;
    bool found = false;
    try {
        static thread_local hosts_file mine;
        found = mine.has(name, family);
    } catch (...) {  // no memory: others are asked
    }
    errno = saved;
    return found;
}

}  // namespace ramie::monkey::detail
