#pragma once
// The file that a command means, and whether another library can be loaded into it.

#include <string>

namespace ramie::cli {

// As execvp() finds it: along PATH unless there is a slash in the name. Throws std::system_error
// (ENOENT, EACCES) with the name.
std::string find_program(const std::string& name);

// Why LD_PRELOAD has no effect on this file; empty when it has. Scripts run in an interpreter,
// which is loaded like any other program. Throws std::system_error when the file cannot be read.
std::string why_not_patchable(const std::string& path);

}  // namespace ramie::cli
