#include "support/file_calls.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <vector>

extern "C" ssize_t __pread_chk(int fd, void* data, size_t size, off_t at, size_t room);

namespace ramie::test {

place::~place() {
    for (const int each : {file, name_only, top}) ::close(each);
    std::filesystem::remove_all(folder);
}

int place::make() const {
    must("mkdir", ::mkdir(path("empty").c_str(), 0700));
    const int fd = must("open", ::open(path("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    must("write", ::write(fd, "some text", 9));
    must("lseek", ::lseek(fd, 0, SEEK_SET));
    return fd;
}

std::string place::said() const {
    std::vector<std::string> names;
    for (const auto& each : std::filesystem::directory_iterator(folder))
        names.push_back(each.path().filename().string());
    std::ranges::sort(names);
    std::string all = said_;
    for (const std::string& each : names) all += each + " ";
    std::string text;
    std::ifstream file_now(path("file"));
    std::getline(file_now, text);
    return all + text;
}

namespace {

namespace real = monkey::detail::real;

template <auto& Call>
std::unique_ptr<hung_call> hang() {
    return std::make_unique<hanging<Call>>();
}

// `read` a descriptor into one buffer, or into two.
template <class Read>
void read_both(place& p, Read read) {
    std::array<char, 4> text{};
    for (const int fd : {p.file, p.name_only}) p.add(read(fd, text.data(), text.size()));
    p.add(std::string(text.data(), text.size()));
}
template <class Read>
void read_parts(place& p, Read read) {
    read_both(p, [read](int fd, char* text, std::size_t size) {
        const std::array<iovec, 2> parts{{{text, 1}, {text + 1, size - 1}}};
        return read(fd, parts.data(), 2);
    });
}
template <class Write>
void write_both(place& p, Write write) {
    for (const int fd : {p.file, p.name_only}) p.add(write(fd, "more", 4));
}
template <class Write>
void write_parts(place& p, Write write) {
    write_both(p, [write](int fd, const char* text, std::size_t size) {
        char* const data = const_cast<char*>(text);
        const std::array<iovec, 2> parts{{{data, 1}, {data + 1, size - 1}}};
        return write(fd, parts.data(), 2);
    });
}
template <class Call>
void on_both_numbers(place& p, Call call) {
    for (const int fd : {p.file, p.name_only}) p.add(call(fd));
}
template <class Call>
void on_names(place& p, std::initializer_list<const char*> names, Call call) {
    for (const char* name : names) p.add(call(p.path(name).c_str()));
}
// The names are of the folder whose descriptor comes with them.
template <class Call>
void on_names_in(place& p, std::initializer_list<const char*> names, Call call) {
    for (const char* name : names) p.add(call(p.top, name));
}
// `look` fills a struct stat.
template <class Look>
void sizes_of(place& p, Look look) {
    for (const char* name : {"file", "none"}) {
        struct stat status {};
        p.add(look(name, &status));
        p.add(status.st_size);
    }
}

void list(place& p) {
    DIR* const listing = ::opendir(p.folder.c_str());
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* const entry = ::readdir(listing)) names.emplace_back(entry->d_name);
    p.add(errno == 0 ? "the end" : "an error");
    std::ranges::sort(names);
    for (const std::string& each : names) p.add(each);
    must("dup2", ::dup2(p.file, ::dirfd(listing)));
    p.add(::readdir(listing) == nullptr ? -1 : 0);
    ::closedir(listing);
}

constexpr file_call calls[] = {
    {"open", hang<real::openat>,
     [](place& p) {
         on_names(p, {"file", "none"}, [](const char* name) {
             const int fd = ::open(name, O_RDONLY | O_CLOEXEC);
             return fd < 0 ? fd : ::close(fd);
         });
     }},
    {"read", hang<real::read>, [](place& p) { read_both(p, ::read); }},
    {"readv", hang<real::readv>, [](place& p) { read_parts(p, ::readv); }},
    {"write", hang<real::write>, [](place& p) { write_both(p, ::write); }},
    {"writev", hang<real::writev>, [](place& p) { write_parts(p, ::writev); }},
    {"pread", hang<real::pread>,
     [](place& p) {
         read_both(p, [](int fd, char* to, std::size_t n) { return ::pread(fd, to, n, 5); });
     }},
    // What a fortified program calls where the size is not known to the compiler.
    {"pread_with_a_check", hang<real::pread>,
     [](place& p) {
         read_both(p, [](int fd, char* to, std::size_t n) { return __pread_chk(fd, to, n, 5, n); });
     }},
    {"pwrite", hang<real::pwrite>,
     [](place& p) {
         write_both(p, [](int fd, const char* t, std::size_t n) { return ::pwrite(fd, t, n, 5); });
     }},
    {"preadv", hang<real::preadv>,
     [](place& p) {
         read_parts(p, [](int fd, const iovec* to, int n) { return ::preadv(fd, to, n, 5); });
     }},
    {"pwritev", hang<real::pwritev>,
     [](place& p) {
         write_parts(p, [](int fd, const iovec* from, int n) { return ::pwritev(fd, from, n, 5); });
     }},
    {"fsync", hang<real::fsync>, [](place& p) { on_both_numbers(p, ::fsync); }},
    {"fdatasync", hang<real::fdatasync>, [](place& p) { on_both_numbers(p, ::fdatasync); }},
    {"ftruncate", hang<real::ftruncate>,
     [](place& p) { on_both_numbers(p, [](int fd) { return ::ftruncate(fd, 4); }); }},
    {"stat", hang<real::stat>,
     [](place& p) {
         sizes_of(p, [&](const char* name, struct stat* to) {
             return ::stat(p.path(name).c_str(), to);
         });
     }},
    {"lstat", hang<real::lstat>,
     [](place& p) {
         sizes_of(p, [&](const char* name, struct stat* to) {
             return ::lstat(p.path(name).c_str(), to);
         });
     }},
    {"fstatat", hang<real::fstatat>,
     [](place& p) {
         sizes_of(p, [&](const char* name, struct stat* to) {
             return ::fstatat(p.top, name, to, AT_SYMLINK_NOFOLLOW);
         });
     }},
    {"statx", hang<real::statx>,
     [](place& p) {
         sizes_of(p, [&](const char* name, struct stat* to) {
             struct statx status {};
             const int result = ::statx(p.top, name, 0, STATX_SIZE, &status);
             to->st_size = static_cast<off_t>(status.stx_size);
             return result;
         });
     }},
    {"access", hang<real::access>,
     [](place& p) {
         on_names(p, {"file", "none"}, [](const char* name) { return ::access(name, W_OK); });
     }},
    {"faccessat", hang<real::faccessat>,
     [](place& p) {
         on_names_in(p, {"file", "none"},
                     [](int in, const char* name) { return ::faccessat(in, name, W_OK, 0); });
     }},
    {"unlink", hang<real::unlink>,
     [](place& p) {
         on_names(p, {"file", "empty", "none"}, ::unlink);
     }},
    {"unlinkat", hang<real::unlinkat>,
     [](place& p) {
         on_names_in(p, {"empty", "file", "none"},
                     [](int in, const char* name) { return ::unlinkat(in, name, AT_REMOVEDIR); });
     }},
    {"rename", hang<real::rename>,
     [](place& p) {
         on_names(p, {"file", "none", "empty"},
                  [&](const char* name) { return ::rename(name, p.path("moved").c_str()); });
     }},
    {"renameat", hang<real::renameat>,
     [](place& p) {
         on_names_in(p, {"file", "none", "empty"},
                     [](int in, const char* name) { return ::renameat(in, name, in, "moved"); });
     }},
    {"truncate", hang<real::truncate>,
     [](place& p) {
         on_names(p, {"file", "none"}, [](const char* name) { return ::truncate(name, 4); });
     }},
    {"mkdir", hang<real::mkdir>,
     [](place& p) {
         on_names(p, {"new", "empty"}, [](const char* name) { return ::mkdir(name, 0700); });
     }},
    {"rmdir", hang<real::rmdir>,
     [](place& p) {
         on_names(p, {"empty", "none", "file"}, ::rmdir);
     }},
    {"opendir", hang<real::opendir>,
     [](place& p) {
         on_names(p, {"empty", "none", "file"}, [](const char* name) {
             DIR* const listing = ::opendir(name);
             return listing == nullptr ? -1 : ::closedir(listing);
         });
     }},
    {"readdir", hang<real::readdir>, list},
};

}  // namespace

std::span<const file_call> file_calls() { return calls; }

}  // namespace ramie::test
