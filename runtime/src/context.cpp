#include "context.hpp"

#include <cxxabi.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace ramie::detail {

namespace fcontext = boost::context::detail;

thread_globals::thread_globals() noexcept
    : exceptions(reinterpret_cast<exception_globals*>(abi::__cxa_get_globals())),
      error_number(&errno) {}

void make_context(fiber_core& f, std::byte* stack_bottom, std::byte* stack_top,
                  void (*entry)(fcontext::transfer_t)) noexcept {
    const auto size = static_cast<std::size_t>(stack_top - stack_bottom);
    f.stack_pointer = fcontext::make_fcontext(stack_top, size, entry);
    f.sanitizers.asan_bottom = stack_bottom;
    f.sanitizers.asan_size = size;
#if RAMIE_TSAN
    f.sanitizers.tsan_fiber = __tsan_create_fiber(0);
#endif
}

void adopt_thread_stack([[maybe_unused]] fiber_core& f) noexcept {
#if RAMIE_ASAN
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        void* bottom = nullptr;
        std::size_t size = 0;
        pthread_attr_getstack(&attributes, &bottom, &size);
        pthread_attr_destroy(&attributes);
        f.sanitizers.asan_bottom = bottom;
        f.sanitizers.asan_size = size;
    }
#endif
#if RAMIE_TSAN
    f.sanitizers.tsan_fiber = __tsan_get_current_fiber();
#endif
}

void destroy_context([[maybe_unused]] fiber_core& f) noexcept {
#if RAMIE_TSAN
    if (f.sanitizers.tsan_fiber != nullptr) __tsan_destroy_fiber(f.sanitizers.tsan_fiber);
    f.sanitizers.tsan_fiber = nullptr;
#endif
}

void keep_frames([[maybe_unused]] const fiber_core& f) noexcept {
#if RAMIE_ASAN
    const auto* begin = f.stack_base;
    const auto* end = f.stack_top;
    if (begin == nullptr) {  // the main fiber, on the thread's own stack
        begin = static_cast<const std::byte*>(f.stack_pointer);
        end = static_cast<const std::byte*>(f.sanitizers.asan_bottom) + f.sanitizers.asan_size;
    }
    __lsan_register_root_region(begin, static_cast<std::size_t>(end - begin));
#endif
}

long shadow_stack_status() noexcept {
#if defined(__x86_64__)
    constexpr int arch_shstk_status = 0x5005;
    unsigned long features = 0;
    if (syscall(SYS_arch_prctl, arch_shstk_status, &features) != 0) return -1;
    return static_cast<long>(features);
#else
    return -1;
#endif
}

void refuse_shadow_stack(long status) {
    constexpr long shadow_stack_enabled = 1;
    if (status <= 0 || (status & shadow_stack_enabled) == 0) return;
    throw std::system_error(ENOTSUP, std::generic_category(),
                            "ramie: a shadow stack (Intel CET) is active on this thread, and "
                            "Boost.Context cannot switch "
                            "it; run with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off");
}

}  // namespace ramie::detail
