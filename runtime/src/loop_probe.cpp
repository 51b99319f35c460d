#include "loop_probe.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>

#include "blocked_watch.hpp"
#include "ramie/detail/handled_signals.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

namespace {

using namespace std::chrono_literals;

enum class answer : std::uint8_t { none, went_on, taken };

// One question at a time; the handler fills in what follows before it answers.
struct question {
    std::atomic<std::int64_t> since{0};
    std::atomic<answer> answered{answer::none};
    std::uint64_t fiber_id = 0;
    bool on_fiber = false;
    std::array<char, 128> name{};
    std::array<void*, 64> frames{};
    std::size_t count = 0;
    void* interrupted_at = nullptr;
};
question the_question;

_Unwind_Reason_Code take_frame(_Unwind_Context* context, void* into) {
    auto& q = *static_cast<question*>(into);
    void* const at = reinterpret_cast<void*>(_Unwind_GetIP(context));
    if (at == nullptr || q.count == q.frames.size()) return _URC_END_OF_STACK;
    // What lies below are the frames of this handler.
    if (at == q.interrupted_at) q.count = 0;
    q.frames[q.count++] = at;
    return _URC_NO_REASON;
}

void* program_counter(const void* context) noexcept {
    const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    return reinterpret_cast<void*>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
    return reinterpret_cast<void*>(machine.pc);
#endif
}

void take_name(const fiber_core& f) noexcept {
    const std::string* name = f.extras == nullptr ? nullptr : &f.extras->name;
    const std::size_t size =
        name == nullptr ? 0 : std::min(name->size(), the_question.name.size() - 1);
    if (size != 0) std::memcpy(the_question.name.data(), name->data(), size);
    the_question.name[size] = '\0';
}

void answer_question(int, siginfo_t*, void* context) noexcept {
    const int error = errno;
    const scheduler* mine = scheduler::find();
    const heartbeat* heart = mine == nullptr ? nullptr : mine->heart();
    const bool same = heart != nullptr && heart->since() == the_question.since.load();
    if (same) {
        the_question.on_fiber = current_fiber != nullptr;
        the_question.fiber_id = current_fiber == nullptr ? 0 : current_fiber->id;
        if (current_fiber != nullptr) take_name(*current_fiber);
        the_question.count = 0;
        the_question.interrupted_at = program_counter(context);
        _Unwind_Backtrace(&take_frame, &the_question);
    }
    the_question.answered.store(same ? answer::taken : answer::went_on);
    errno = error;
}

bool wait_for_answer() {
    for (int tries = 0; tries != 200; ++tries) {
        if (the_question.answered.load() != answer::none) return true;
        std::this_thread::sleep_for(1ms);
    }
    return false;
}

std::string demangled(const char* name) {
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> text(
        abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
    return status == 0 ? text.get() : name;
}

// "function + 0x1a in program", or what addr2line takes.
std::string describe_frame(const void* at) {
    Dl_info info{};
    if (::dladdr(at, &info) == 0) info = {};
    char offset[32];
    const void* base = info.dli_sname != nullptr ? info.dli_saddr : info.dli_fbase;
    std::snprintf(
        offset, sizeof offset, "+0x%zx",
        static_cast<std::size_t>(static_cast<const char*>(at) - static_cast<const char*>(base)));
    const std::string file = info.dli_fname != nullptr ? info.dli_fname : "?";
    if (info.dli_sname == nullptr) return file + "(" + offset + ")";
    return demangled(info.dli_sname) + offset + " in " + file;
}

std::string name_of_holder() {
    if (!the_question.on_fiber) return "the loop";
    const std::string number = "fiber " + std::to_string(the_question.fiber_id);
    if (the_question.fiber_id == 0) return "the main fiber";
    if (the_question.name[0] == '\0') return number;
    return number + " \"" + the_question.name.data() + "\"";
}

blocked_report answer_of(std::int64_t since, bool answered) {
    blocked_report report;
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    report.held_for = now - std::chrono::nanoseconds(since);
    if (!answered) {
        report.fiber = "a thread that takes no signal";
        return report;
    }
    report.fiber = name_of_holder();
    report.id = the_question.fiber_id;
    for (std::size_t i = 0; i != the_question.count; ++i)
        report.stack.push_back(describe_frame(the_question.frames[i]));
    return report;
}

}  // namespace

void prepare_loop_probe() {
    // The first unwinding loads and allocates, which a handler must not.
    the_question.count = 0;
    _Unwind_Backtrace(&take_frame, &the_question);
    struct sigaction action {};
    action.sa_sigaction = &answer_question;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    probe_signal = SIGRTMAX - 3;
    if (::sigaction(probe_signal, &action, nullptr) != 0)
        throw std::system_error(errno, std::generic_category(), "ramie: on_blocked: sigaction");
}

std::optional<blocked_report> probe_loop(const heartbeat& heart, std::int64_t since) {
    the_question.answered = answer::none;
    the_question.since = since;
    if (::syscall(SYS_tgkill, ::getpid(), heart.thread(), probe_signal.load()) != 0) return {};
    const bool answered = wait_for_answer();
    if (the_question.answered.load() == answer::went_on) return {};
    return answer_of(since, answered);
}

}  // namespace ramie::detail
