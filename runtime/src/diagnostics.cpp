// What a scheduler tells people: the list of its fibers, deadlocks, unhandled exceptions.

#include <cxxabi.h>
#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <utility>

#include "asio_loop.hpp"
#include "diagnostics.hpp"
#include "ramie/debug.hpp"
#include "ramie/detail/thread_lock.hpp"
#include "ramie/run.hpp"
#include "scheduler.hpp"

namespace ramie {

namespace detail {

namespace {

// Another thread may still set an async_result; with one thread nobody can.
bool has_other_threads() noexcept {
    DIR* tasks = opendir("/proc/self/task");
    if (tasks == nullptr) return true;
    int entries = 0;
    while (readdir(tasks) != nullptr) ++entries;
    closedir(tasks);
    return entries > 3;  // ".", ".." and this thread
}

const char* state_name(fiber_state s) noexcept {
    static constexpr const char* names[] = {"not started", "ready", "running",
                                            "parked",      "ended", "dropped"};
    return names[static_cast<std::size_t>(s)];
}

void describe(const fiber_core& f, std::string& out) {
    out += "  " + f.display_name() + ": " + state_name(f.state);
    if (f.state == fiber_state::parked && f.waiting != nullptr) {
        out += std::string(", waits for ") + f.waiting->what;
        if (f.waiting->describe != nullptr) f.waiting->describe(f.wait_object, out);
    }
    out += '\n';
}

thread_lock handler_mutex;
std::shared_ptr<std::function<void(const std::string&, std::exception_ptr)>> handler;

// One write, so that lines of several processes do not mix.
void write_to_stderr(const std::string& text) noexcept {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

std::string describe_exception(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        int status = 0;
        const std::unique_ptr<char, void (*)(void*)> name(
            abi::__cxa_demangle(typeid(e).name(), nullptr, nullptr, &status), &std::free);
        return std::string(name ? name.get() : "std::exception") + ": " + e.what();
    } catch (const fiber_exit&) {
        return "ramie::fiber_exit";
    } catch (...) {
        return "an exception that is not a std::exception";
    }
}

void report_unhandled(const std::string& where, const std::exception_ptr& error) noexcept {
    try {
        std::shared_ptr<std::function<void(const std::string&, std::exception_ptr)>> custom;
        {
            const std::lock_guard guard(handler_mutex);
            custom = handler;
        }
        if (custom != nullptr) return (*custom)(where, error);
        if (current_unhandled_sink != nullptr) return current_unhandled_sink->take(where, error);
    } catch (...) {
        write_to_stderr("ramie: the handler of unhandled exceptions threw " +
                        describe_exception(std::current_exception()) + "\n");
    }
    write_to_stderr("ramie: unhandled exception in " + where + ": " + describe_exception(error) +
                    "\n");
}

void report_abandoned(const std::string& fibers) noexcept {
    write_to_stderr("ramie: these fibers did not end within shutdown_grace and are dropped:\n" +
                    fibers);
}

void scheduler::refuse_wrong_thread(const fiber_core& f) noexcept {
    write_to_stderr("ramie: " + f.display_name() +
                    " was woken on a thread that is not its own: what fibers wait for belongs to "
                    "their thread; tell them through scheduler_handle::post (ramie/post.hpp)\n");
    std::abort();
}

void scheduler::surface(const std::string& where, std::exception_ptr error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const system_exit&) {
        throw_in_main(std::move(error));
    } catch (...) {
        report_unhandled(where, error);
    }
}

std::string scheduler::describe_fibers() {
    std::string text;
    describe(*main_, text);
    for_each_fiber([&text](const fiber_core& f) { describe(f, text); });
    return text;
}

std::string scheduler::describe_fibers(std::uint64_t after) {
    std::string text;
    for_each_fiber([&](const fiber_core& f) {
        if (f.id > after) describe(f, text);
    });
    return text;
}

bool scheduler::waits_for_outside() const noexcept {
    return waits_[static_cast<std::size_t>(outside::kernel)] != 0 ||
           (waits_[static_cast<std::size_t>(outside::another_thread)] != 0 && has_other_threads());
}

bool scheduler::something_awaited() noexcept {
    const auto waits = [this](outside who) { return waits_[static_cast<std::size_t>(who)]; };
    return !timers_.empty() || waits(outside::kernel) != 0 || mailbox_->handles.load() != 0 ||
           (asio_ != nullptr && asio_->has_work()) ||
           (waits(outside::another_thread) != 0 && has_other_threads()) ||
           mailbox_->filled();  // last: who posted may be gone by now
}

void scheduler::declare_deadlock() noexcept {
    if (shutting_down_ && last_end_.wake_all(wake::closed) != 0) return;
    const std::string report =
        "ramie: deadlock: every fiber waits and nothing can wake one\n" + describe_fibers();
    main_request_.unlink();
    throw_in_main(std::make_exception_ptr(deadlock_error(report)), EDEADLK);
    // Even behind a shield: nothing else will ever happen. Thrown out of a destructor it ends the
    // process, and not every compiler's terminate() would say with what.
    if (main_->shielded) write_to_stderr(report);
    grant(*main_, wake::interrupted);
}

void scheduler::throw_in_main(std::exception_ptr error, int error_number) noexcept {
    if (main_request_.is_linked()) return;
    main_request_.error = std::move(error);
    main_request_.number = error_number;
    main_->add_first(main_request_);
    if (!main_->shielded) grant(*main_, wake::interrupted);
}

void scheduler::main_request::raise() { std::rethrow_exception(std::exchange(error, nullptr)); }

}  // namespace detail

void on_unhandled_exception(std::function<void(const std::string&, std::exception_ptr)> f) {
    const std::lock_guard guard(detail::handler_mutex);
    detail::handler =
        f ? std::make_shared<std::function<void(const std::string&, std::exception_ptr)>>(
                std::move(f))
          : nullptr;
}

void dump(std::ostream& out) {
    if (detail::scheduler* s = detail::scheduler::find()) out << s->describe_fibers();
}

scheduler_stats stats() noexcept {
    detail::scheduler* s = detail::scheduler::find();
    if (s == nullptr) return {};
    const auto stacks = s->stacks().stats();
    const auto* const f = detail::current_fiber;
    const std::size_t noted = f == nullptr ? 0 : f->new_limits.size();
    return {.fibers = s->live_fibers(),
            .stacks_in_use = stacks.in_use - 1,  // the hub's
            .stacks_free = stacks.free_warm + stacks.free_cold,
            .timers = s->timers().size() + noted,
            .polls = s->reactor().polls(),
            .switches = s->switches()};
}

}  // namespace ramie
