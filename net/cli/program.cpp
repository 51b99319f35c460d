#include "program.hpp"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

namespace ramie::cli {

namespace {

bool is_executable_file(const std::string& path) {
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) return false;
    if (!S_ISREG(about.st_mode)) {
        errno = EACCES;
        return false;
    }
    return ::access(path.c_str(), X_OK) == 0;
}

std::vector<std::string> search_path() {
    const char* path = std::getenv("PATH");
    std::string_view left = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    std::vector<std::string> folders;
    for (;;) {
        const std::size_t colon = left.find(':');
        const std::string_view folder = left.substr(0, colon);
        folders.emplace_back(folder.empty() ? "." : folder);
        if (colon == std::string_view::npos) return folders;
        left.remove_prefix(colon + 1);
    }
}

template <class Header>
bool read_at(std::ifstream& file, std::uint64_t offset, Header& header) {
    file.seekg(static_cast<std::streamoff>(offset));
    return static_cast<bool>(file.read(reinterpret_cast<char*>(&header), sizeof header));
}

// A program that is loaded by ld.so says so.
bool names_a_loader(std::ifstream& file, const Elf64_Ehdr& elf) {
    for (unsigned i = 0; i != elf.e_phnum; ++i) {
        Elf64_Phdr segment{};
        if (!read_at(file, elf.e_phoff + std::uint64_t{i} * elf.e_phentsize, segment)) return false;
        if (segment.p_type == PT_INTERP) return true;
    }
    return false;
}

// For a program that runs with other rights than its caller's, ld.so loads only from trusted
// places.
bool changes_rights(const std::string& path) {
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) return false;
    return ((about.st_mode & S_ISUID) != 0 && about.st_uid != ::geteuid()) ||
           ((about.st_mode & S_ISGID) != 0 && about.st_gid != ::getegid());
}

}  // namespace

std::string find_program(const std::string& name) {
    int error = ENOENT;
    if (name.find('/') != std::string::npos) {
        if (is_executable_file(name)) return name;
        error = errno;
    } else if (!name.empty()) {
        for (const std::string& folder : search_path()) {
            std::string path = folder;
            path.append("/").append(name);
            if (is_executable_file(path)) return path;
            if (errno == EACCES) error = EACCES;
        }
    }
    throw std::system_error(error, std::generic_category(), name);
}

std::string why_not_patchable(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::system_error(errno, std::generic_category(), path);
    Elf64_Ehdr elf{};
    if (!read_at(file, 0, elf) || std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0) return {};
    if (elf.e_ident[EI_CLASS] != ELFCLASS64) return "it is a 32-bit program";
    if (!names_a_loader(file, elf)) return "it is linked statically";
    if (changes_rights(path)) return "it changes its user or group (setuid or setgid)";
    return {};
}

}  // namespace ramie::cli
