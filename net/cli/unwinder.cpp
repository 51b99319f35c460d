// What C++ needs of libgcc_s.so.1, which is loaded when the first exception is thrown: no program
// that uses no fibers comes to that, and each would start with one library more. libc does the same
// for pthread_cancel(). Linked statically there would be a second unwinder beside the program's,
// and each would have to read what the other one writes.

#include <dlfcn.h>
#include <unistd.h>
#include <unwind.h>

#include <cstdlib>
#include <string>

#include "calls.hpp"

namespace ramie::monkey::detail {

namespace {

[[noreturn]] void give_up(const char* why) noexcept {
    const std::string text =
        "ramie: libgcc_s.so.1 is needed to throw an exception: " + std::string(why) + "\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    std::abort();
}

void* find_in_libgcc(const char* name) noexcept {
    static void* const library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    void* const found = library == nullptr ? nullptr : dlsym(library, name);
    if (found == nullptr) give_up(dlerror());
    return found;
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

// preload.map hides them: the program goes on with those of the library.
// clang-format off
#define RAMIE_UNWINDER_CALL(result, name, parameters, ...)                      \
    static constinit original_call<result parameters, &find_in_libgcc> real##name{ \
        #name, &looked_up<real##name>::first_use};                              \
    result name parameters { return real##name(__VA_ARGS__); }
// clang-format on
RAMIE_UNWINDER_CALL(_Unwind_Reason_Code, _Unwind_RaiseException, (_Unwind_Exception * e), e)
RAMIE_UNWINDER_CALL(_Unwind_Reason_Code, _Unwind_Resume_or_Rethrow, (_Unwind_Exception * e), e)
RAMIE_UNWINDER_CALL(void, _Unwind_Resume, (_Unwind_Exception * e), e)
RAMIE_UNWINDER_CALL(void, _Unwind_DeleteException, (_Unwind_Exception * e), e)
RAMIE_UNWINDER_CALL(_Unwind_Reason_Code, _Unwind_Backtrace, (_Unwind_Trace_Fn f, void* to), f, to)
RAMIE_UNWINDER_CALL(_Unwind_Ptr, _Unwind_GetIP, (_Unwind_Context * c), c)
RAMIE_UNWINDER_CALL(_Unwind_Ptr, _Unwind_GetIPInfo, (_Unwind_Context * c, int* before), c, before)
RAMIE_UNWINDER_CALL(void, _Unwind_SetIP, (_Unwind_Context * c, _Unwind_Ptr to), c, to)
RAMIE_UNWINDER_CALL(void, _Unwind_SetGR, (_Unwind_Context * c, int i, _Unwind_Word to), c, i, to)
RAMIE_UNWINDER_CALL(void*, _Unwind_GetLanguageSpecificData, (_Unwind_Context * c), c)
RAMIE_UNWINDER_CALL(_Unwind_Ptr, _Unwind_GetRegionStart, (_Unwind_Context * c), c)
RAMIE_UNWINDER_CALL(_Unwind_Ptr, _Unwind_GetDataRelBase, (_Unwind_Context * c), c)
RAMIE_UNWINDER_CALL(_Unwind_Ptr, _Unwind_GetTextRelBase, (_Unwind_Context * c), c)
#undef RAMIE_UNWINDER_CALL
}
