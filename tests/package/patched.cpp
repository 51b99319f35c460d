// Loads the library named on the command line and asks whose recv() it got: libc's, or the one that
// ramie::monkey put into this program?
#include <dlfcn.h>

#include <cstdio>
#include <cstring>

namespace {

const char* file_of(void* address) {
    Dl_info found{};
    return dladdr(address, &found) != 0 ? found.dli_fname : "nowhere";
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
    return std::strcmp(owner, file_of(reinterpret_cast<void*>(&file_of))) == 0 ? 0 : 1;
}
