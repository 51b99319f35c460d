#pragma once
// Names for files that a test makes: below TMPDIR, and different for each call.
//
//     const std::string fifo = ramie::test::temporary_name();
//     const int fd = ramie::test::make_temporary_file(name);

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/channels.hpp"

namespace ramie::test {

inline std::string temporary_pattern() {
    return (std::filesystem::temp_directory_path() / "ramie-XXXXXX").string();
}

// The descriptor of a new file, whose name it gives.
inline int make_temporary_file(std::string& name) {
    name = temporary_pattern();
    return must("mkstemp", ::mkstemp(name.data()));
}

// One that no file has.
inline std::string temporary_name() {
    std::string name;
    ::close(make_temporary_file(name));
    ::unlink(name.c_str());
    return name;
}

// A new folder.
inline std::string make_temporary_folder() {
    std::string name = temporary_pattern();
    if (::mkdtemp(name.data()) == nullptr) must("mkdtemp", -1);
    return name;
}

}  // namespace ramie::test
