// ramie: runs programs that nobody can relink with the patched calls.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "program.hpp"

namespace {

// As env(1) and sh(1) tell them apart.
enum exit_code { bad_usage = 125, not_runnable = 126, not_found = 127 };

struct launch {
    std::vector<std::string> command;  // the program and its arguments
    std::string library;               // empty: the one that was installed with this program
    std::string families;              // empty: all
    bool force = false;
};

[[noreturn]] void refuse(int code, const std::string& why) {
    std::fprintf(stderr, "ramie: %s\n", why.c_str());
    std::exit(code);
}

// Beside this program in a build, in the neighbouring lib when installed.
std::string installed_library() {
    namespace fs = std::filesystem;
    const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
    for (const fs::path& folder : {here, here / ".." / RAMIE_LIBRARY_FOLDER}) {
        const fs::path file = folder / "libramie-preload.so";
        if (fs::exists(file)) return fs::canonical(file).string();
    }
    refuse(not_runnable, "libramie-preload.so is neither in " + here.string() + " nor in its ../" +
                             RAMIE_LIBRARY_FOLDER + "; say --library FILE");
}

void preload(const std::string& library) {
    if (library.find_first_of(": ") != std::string::npos)
        refuse(not_runnable, "LD_PRELOAD takes no path with a colon or a space: " + library);
    const char* others = std::getenv("LD_PRELOAD");
    const std::string all = others != nullptr && *others != '\0' ? library + ":" + others : library;
    ::setenv("LD_PRELOAD", all.c_str(), 1);
}

[[noreturn]] void run(const launch& wanted) {
    try {
        const std::string program = ramie::cli::find_program(wanted.command.front());
        const std::string obstacle = ramie::cli::why_not_patchable(program);
        if (!obstacle.empty() && !wanted.force)
            refuse(not_runnable,
                   program + " cannot be patched: " + obstacle + " (--force runs it as it is)");
        preload(wanted.library.empty() ? installed_library() : wanted.library);
        if (!wanted.families.empty()) ::setenv("RAMIE_PATCH", wanted.families.c_str(), 1);
        std::vector<char*> arguments;
        for (const std::string& each : wanted.command)
            arguments.push_back(const_cast<char*>(each.c_str()));
        arguments.push_back(nullptr);
        ::execv(program.c_str(), arguments.data());
        throw std::system_error(errno, std::generic_category(), program);
    } catch (const std::system_error& e) {
        refuse(e.code() == std::errc::no_such_file_or_directory ? not_found : not_runnable,
               e.what());
    }
}

int parse_and_run(int argc, char** argv) {
    launch wanted;
    CLI::App app("Runs programs with the patched calls of ramie.");
    app.set_version_flag("--version", "ramie " RAMIE_VERSION);
    app.require_subcommand(1);
    CLI::App* run_command = app.add_subcommand(
        "run", "runs PROGRAM [ARGUMENTS...], which need not be relinked, with the patched calls");
    run_command->add_option("--patch", wanted.families, "families of calls, separated by commas");
    run_command->add_option("--library", wanted.library, "libramie-preload.so to load")
        ->check(CLI::ExistingFile);
    run_command->add_flag("--force", wanted.force, "run also what cannot be patched");
    run_command->prefix_command();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : bad_usage;
    }
    wanted.command = run_command->remaining();
    if (!wanted.command.empty() && wanted.command.front().starts_with('-'))
        refuse(bad_usage, "no such option: " + wanted.command.front());
    if (wanted.command.empty()) refuse(bad_usage, "run what? (ramie run PROGRAM [ARGUMENTS...])");
    run(wanted);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "ramie: %s\n", e.what());
        return not_runnable;
    }
}
