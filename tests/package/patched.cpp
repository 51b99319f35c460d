// Loads the library named on the command line and asks whose recv() it got: libc's, or the one of
// ramie::monkey, which is in this program, or in a shared library that it was linked with? Then has
// it wait for a byte that another fiber writes.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <ramie/run.hpp>

namespace {

const char* file_of(void* address) {
    Dl_info found{};
    return dladdr(address, &found) != 0 ? found.dli_fname : "nowhere";
}

bool parks_in(ssize_t (*read_one)(int, char*)) {
    ramie::monkey::patch_all();
    int ends[2];
    if (pipe(ends) != 0) return false;
    return ramie::run([&] {
               char got = 0;
               auto reader = ramie::spawn([&] { return read_one(ends[0], &got); });
               auto writer = ramie::spawn([&] { return write(ends[1], "x", 1); });
               return reader.get() == 1 && writer.get() == 1 && got == 'x' ? 0 : 1;
           }) == 0;
}

}  // namespace

int main(int, char** argv) {
    void* library = dlopen(argv[1], RTLD_NOW);
    if (library == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    auto* what_i_call = reinterpret_cast<void* (*)()>(dlsym(library, "what_i_call"));
    const char* const owner = file_of(what_i_call());
    std::printf("the library's recv() is in %s\n", owner);
    auto* const read_one = reinterpret_cast<ssize_t (*)(int, char*)>(dlsym(library, "read_one"));
    const char* const ours = file_of(reinterpret_cast<void*>(&ramie::monkey::patch_all));
    return std::strcmp(owner, ours) == 0 && parks_in(read_one) ? 0 : 1;
}
