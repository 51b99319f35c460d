#include "support/name_server.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "support/channels.hpp"
#include "support/temporary.hpp"

namespace ramie::test {

namespace {

using bytes = std::vector<unsigned char>;
using namespace std::chrono_literals;

constexpr int type_a = 1;
constexpr int type_cname = 5;
constexpr int type_ptr = 12;
constexpr int type_txt = 16;

bool write_file(const char* path, const std::string& text) {
    std::ofstream file(path);
    return static_cast<bool>(file << text << std::flush);
}

// Root there, so that programs that are started may do what this one may.
bool become_root() {
    const std::string user = "0 " + std::to_string(::geteuid()) + " 1";
    const std::string group = "0 " + std::to_string(::getegid()) + " 1";
    return ::unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/uid_map", user) &&
           write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", group);
}

bool enter_name_spaces() {
    constexpr int own = CLONE_NEWNS | CLONE_NEWNET;
    return ::unshare(own) == 0 || (become_root() && ::unshare(own) == 0);
}

bool start_loopback() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    const bool done = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    ::close(fd);
    return done;
}

bool replace_file(const char* path, const std::string& text) {
    std::string name;
    const int fd = make_temporary_file(name);
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::fchmod(fd, 0644);
    ::close(fd);
    const bool done = written && ::mount(name.c_str(), path, nullptr, MS_BIND, nullptr) == 0;
    ::unlink(name.c_str());
    return done;
}

// --- messages --------------------------------------------------------------------------------

void put(bytes& to, unsigned value) {
    to.push_back(static_cast<unsigned char>(value >> 8));
    to.push_back(static_cast<unsigned char>(value));
}

void put_name(bytes& to, const std::string& name) {
    std::size_t at = 0;
    while (at < name.size()) {
        const std::size_t end = std::min(name.find('.', at), name.size());
        to.push_back(static_cast<unsigned char>(end - at));
        to.insert(to.end(), name.begin() + static_cast<long>(at),
                  name.begin() + static_cast<long>(end));
        at = end + 1;
    }
    to.push_back(0);
}

// Of the name that the question is about.
void put_record(bytes& to, int type, const bytes& data) {
    for (const unsigned value : {0xc00cU, unsigned(type), 1U, 0U, 60U, unsigned(data.size())})
        put(to, value);
    to.insert(to.end(), data.begin(), data.end());
}

void put_address(bytes& to, int last) {
    put_record(to, type_a, {10, 0, 0, static_cast<unsigned char>(last)});
}

struct question {
    std::string name;
    int type = 0;
    std::size_t end = 0;
};

question read_question(const bytes& message) {
    question q;
    std::size_t at = 12;
    while (at < message.size() && message[at] != 0) {
        if (!q.name.empty()) q.name += '.';
        q.name.append(reinterpret_cast<const char*>(&message[at + 1]), message[at]);
        at += message[at] + std::size_t{1};
    }
    q.end = at + 5;
    if (q.end > message.size()) return {};
    q.type = message[at + 2];
    return q;
}

constexpr const char* domain = ".example.test";

// The number in "host7.example.test"; -1: no such name.
int number_in(const std::string& name, const std::string& prefix) {
    if (!name.starts_with(prefix) || !name.ends_with(domain)) return -1;
    return std::atoi(name.c_str() + prefix.size()) % 250;
}

int answer(bytes& to, const question& q, bool& exists) {
    const int host = number_in(q.name, "host");
    const int alias = number_in(q.name, "alias");
    const bool many = q.name == std::string("many") + domain;
    const bool reverse = q.name.ends_with(".0.0.10.in-addr.arpa");
    exists = host >= 0 || alias >= 0 || many || reverse;
    if (host >= 0 && q.type == type_a) return put_address(to, host), 1;
    if (host >= 0 && q.type == type_txt) return put_record(to, type_txt, {2, 'h', 'i'}), 1;
    if (reverse && q.type == type_ptr) {
        bytes name;
        put_name(name, "host" + std::to_string(std::atoi(q.name.c_str())) + domain);
        return put_record(to, type_ptr, name), 1;
    }
    if (many && q.type == type_a) {
        for (const int each : {9, 3, 7, 1, 5}) put_address(to, each);
        return 5;
    }
    if (alias < 0) return 0;
    bytes name;
    put_name(name, "host" + std::to_string(alias) + domain);
    put_record(to, type_cname, name);
    if (q.type != type_a) return 1;
    // Of the name in the record before, which began at the end of the question.
    const std::size_t target = q.end + 12;
    bytes record;
    put_address(record, alias);
    record[0] = static_cast<unsigned char>(0xc0U | (target >> 8));
    record[1] = static_cast<unsigned char>(target);
    to.insert(to.end(), record.begin(), record.end());
    return 2;
}

bytes answer_to(const bytes& message, const question& q) {
    bytes reply(message.begin(), message.begin() + static_cast<long>(q.end));
    bool exists = false;
    const int count = answer(reply, q, exists);
    reply[2] = 0x81;
    reply[3] = exists ? 0x80 : 0x83;
    reply[6] = 0;
    reply[7] = static_cast<unsigned char>(count);
    std::fill(reply.begin() + 8, reply.begin() + 12, static_cast<unsigned char>(0));
    return reply;
}

}  // namespace

own_network::own_network(const char* name_server, std::chrono::seconds patience) {
    if (!enter_name_spaces())
        problem_ = std::string("name spaces are not permitted: ") + std::strerror(errno);
    else if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
             !start_loopback() ||
             !replace_file("/etc/resolv.conf", std::string("nameserver ") + name_server +
                                                   "\nsearch example.test\n"
                                                   "options attempts:2 timeout:" +
                                                   std::to_string(patience.count()) + "\n") ||
             !replace_file("/etc/hosts",
                           "127.0.0.1 localhost\n10.1.1.1 Near.example.test near\n"
                           "fd00::1 six\n") ||
             !replace_file("/etc/nsswitch.conf", "hosts: files dns\nservices: files\n"))
        problem_ = std::string("the files of libc cannot be replaced: ") + std::strerror(errno);
}

name_server::name_server(options chosen) : options_(chosen), is_held_(chosen.is_held) {
    fd_ = must("socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int room = 4 << 20;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(53);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must("bind", ::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at));
    thread_ = std::thread([this] { serve(); });
}

name_server::~name_server() {
    stop_ = true;
    thread_.join();
    ::close(fd_);
}


int name_server::asked(const std::string& name, int type) {
    const std::lock_guard guard(mutex_);
    return asked_[{name, type}];
}

void name_server::serve() {
    while (!stop_) {
        pollfd question{fd_, POLLIN, 0};
        ::poll(&question, 1, std::clamp(send_due(), 0, 10));
        receive();
    }
}

// Returns after how many milliseconds the next one is due.
int name_server::send_due() {
    if (is_held_) return 1;
    const auto now = std::chrono::steady_clock::now();
    while (!pending_.empty() && pending_.front().due <= now) {
        const reply& first = pending_.front();
        ::sendto(fd_, first.bytes.data(), first.bytes.size(), 0,
                 reinterpret_cast<const sockaddr*>(first.to.data()),
                 static_cast<socklen_t>(first.to.size()));
        pending_.pop_front();
    }
    if (pending_.empty()) return 10;
    return static_cast<int>(
        std::chrono::ceil<std::chrono::milliseconds>(pending_.front().due - now) / 1ms);
}

void name_server::receive() {
    for (;;) {
        bytes message(1500);
        bytes from(sizeof(sockaddr_storage));
        auto length = static_cast<socklen_t>(from.size());
        const ssize_t n = ::recvfrom(fd_, message.data(), message.size(), 0,
                                     reinterpret_cast<sockaddr*>(from.data()), &length);
        if (n < 12) return;
        message.resize(static_cast<std::size_t>(n));
        from.resize(length);
        const question q = read_question(message);
        {
            const std::lock_guard guard(mutex_);
            ++asked_[{q.name, q.type}];
        }
        if (q.end == 0 || q.name.starts_with("silent")) continue;
        pending_.push_back(
            {std::chrono::steady_clock::now() + options_.delay, answer_to(message, q), from});
    }
}

}  // namespace ramie::test
