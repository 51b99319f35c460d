// Everything about a switch, and the only user of Boost.Context: the raw jump, the C++ exception
// globals and errno that belong to a fiber, and what the sanitizers must be told.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <boost/version.hpp>
#include <cstddef>

#include "ramie/detail/fiber_core.hpp"

#if !defined(__has_feature)
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define RAMIE_ASAN 1
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#else
#define RAMIE_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define RAMIE_TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define RAMIE_TSAN 0
#endif

#if BOOST_VERSION >= 108800
#error "Boost.Context 1.88 and later saves the exception globals itself; doing it twice breaks them"
#endif

namespace ramie::detail {

// What a context is entered with: who left, and what for.
using context_entrance = boost::context::detail::transfer_t;

// libstdc++'s __cxa_eh_globals: the exceptions being handled, and how many are in flight.
struct exception_globals {
    void* caught;
    unsigned int uncaught;
};

// Addresses that are fixed for a thread. Fibers never change threads, so they are looked up once.
struct thread_globals {
    thread_globals() noexcept;
    exception_globals* exceptions;
    int* error_number;
};

#if RAMIE_TSAN
__attribute__((always_inline, no_sanitize("thread"))) inline void tell_tsan(void* fiber) noexcept {
    __tsan_switch_to_fiber(fiber, 0);
}
#endif

// The raw jump. On x86-64 it is entered by a jump with the return address pushed by hand: a call
// that never meets its return would shift the processor's return stack by one, and every return of
// the resumed fiber would be mispredicted (measured: 24 ns against 10 a switch). Functions that
// contain it are compiled without a red zone.
inline context_entrance raw_jump(void* to, void* data) noexcept {
#if defined(__x86_64__) && !RAMIE_ASAN && !RAMIE_TSAN
    context_entrance back;
    asm volatile(
        "leaq 1f(%%rip), %%rax\n\t"
        "pushq %%rax\n\t"
        "jmp *jump_fcontext@GOTPCREL(%%rip)\n"
        "1:"
        : "=a"(back.fctx), "=d"(back.data), "+D"(to), "+S"(data)
        :
        : "rcx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
          "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
#if defined(__AVX512F__)
          "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
          "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",
          "k6", "k7",
#endif
          "cc", "memory");
    return back;
#else
    return boost::context::detail::jump_fcontext(to, data);
#endif
}

// Suspends `from` and resumes `to`. Returns, once `from` is resumed, the fiber that ran last.
// `dying`: `from` will never be resumed.
inline fiber_core& jump(fiber_core& from, fiber_core& to, const thread_globals& globals,
                        [[maybe_unused]] bool dying = false) noexcept {
    const exception_globals exceptions = *globals.exceptions;
    const int error_number = *globals.error_number;
#if RAMIE_ASAN
    __sanitizer_start_switch_fiber(dying ? nullptr : &from.sanitizers.asan_fake_stack,
                                   to.sanitizers.asan_bottom, to.sanitizers.asan_size);
#endif
#if RAMIE_TSAN
    tell_tsan(to.sanitizers.tsan_fiber);
#endif
    const auto back = raw_jump(to.stack_pointer, &from);
#if RAMIE_ASAN
    __sanitizer_finish_switch_fiber(from.sanitizers.asan_fake_stack, nullptr, nullptr);
#endif
    auto& previous = *static_cast<fiber_core*>(back.data);
    previous.stack_pointer = back.fctx;
    *globals.exceptions = exceptions;
    *globals.error_number = error_number;
    return previous;
}

// The first frame of every context: nothing called it, so an unwinder that gets here stops.
#if defined(__x86_64__)
#define RAMIE_END_OF_BACKTRACE() asm volatile(".cfi_undefined rip")
#elif defined(__aarch64__)
#define RAMIE_END_OF_BACKTRACE() asm volatile(".cfi_undefined x30")
#else
#define RAMIE_END_OF_BACKTRACE() static_cast<void>(0)
#endif

// To be called first in a new context; returns the fiber that ran before. A fiber starts with no
// exception in flight and no error.
inline fiber_core& begin_context(context_entrance from, const thread_globals& globals) noexcept {
#if RAMIE_ASAN
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
    auto& previous = *static_cast<fiber_core*>(from.data);
    previous.stack_pointer = from.fctx;
    *globals.exceptions = {nullptr, 0};
    *globals.error_number = 0;
    return previous;
}

// Makes `f` resumable: it starts in `entry`, with frames below `stack_top`.
void make_context(fiber_core& f, std::byte* stack_bottom, std::byte* stack_top,
                  void (*entry)(context_entrance)) noexcept;

// Makes `f` stand for the thread's own stack, on which the caller runs.
void adopt_thread_stack(fiber_core& f) noexcept;

// Ends what make_context began. Not on the stack of `f`.
void destroy_context(fiber_core& f) noexcept;

// For an object that is left behind on purpose, the same.
inline void leave_behind([[maybe_unused]] const void* object) noexcept {
#if RAMIE_ASAN
    __lsan_ignore_object(object);
#endif
}

// `f` is left behind, suspended for ever: tells the leak checker that its frames still own what
// they point to.
void keep_frames(const fiber_core& f) noexcept;

// Throws std::system_error (ENOTSUP) with the remedy when the kernel keeps a shadow stack for this
// thread (Intel CET), which Boost.Context 1.81 does not switch. `status`: for tests; what
// arch_prctl(ARCH_SHSTK_STATUS) answered, or negative when the kernel does not know it.
void refuse_shadow_stack(long status);
long shadow_stack_status() noexcept;

}  // namespace ramie::detail
