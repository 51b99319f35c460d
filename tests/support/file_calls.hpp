#pragma once
// One call of every kind on files, and a folder for it to work on.
//
//     for (const file_call& each : file_calls()) {
//         place p;
//         const auto disk = each.hang();
//         ... each.make(p) ...       // elsewhere
//         disk->let_go();
//         ... p.said() ...
//     }

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <ostream>
#include <span>
#include <string>

#include "support/hanging.hpp"
#include "support/temporary.hpp"

namespace ramie::test {

// A folder with a file of some text and an empty folder; and what calls on them have returned.
class place {
  public:
    place() = default;
    ~place();
    place(const place&) = delete;
    place& operator=(const place&) = delete;

    [[nodiscard]] std::string path(const char* name) const { return folder + "/" + name; }

    void add(const std::string& text) { said_ += text + ", "; }
    void add(long result) { add(result < 0 ? std::strerror(errno) : std::to_string(result)); }

    // That, and what the folder and the file have in them now.
    [[nodiscard]] std::string said() const;

    const std::string folder = make_temporary_folder();
    const int file = make();
    // Good for no transfer, but a regular file's all the same.
    const int name_only = must("open", ::open(path("file").c_str(), O_PATH | O_CLOEXEC));
    const int top = must("open", ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));

  private:
    [[nodiscard]] int make() const;

    std::string said_;
};

// Made more than once: some succeed, and some fail.
struct file_call {
    const char* name;
    std::unique_ptr<hung_call> (*hang)();
    void (*make)(place&);
};

std::span<const file_call> file_calls();

inline void PrintTo(const file_call& call, std::ostream* out) { *out << call.name; }

}  // namespace ramie::test
