#include "ramie/detail/fiber_core.hpp"

#include <cstdlib>
#include <limits>
#include <utility>

#include "diagnostics.hpp"
#include "ramie/fiber.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

namespace {

constexpr std::size_t fallback_stack_size = 256 * 1024;

std::size_t default_stack_size() noexcept {
    static const std::size_t size = [] {
        const char* text = std::getenv("RAMIE_STACK_SIZE");
        const std::size_t asked = text == nullptr ? 0 : std::strtoull(text, nullptr, 0);
        return asked == 0 ? fallback_stack_size : asked;
    }();
    return size;
}

// A wait's deadline has passed, or the moment of spawn_later has come.
void on_timer(timer_node& node) noexcept {
    auto& f = static_cast<fiber_core&>(node);
    f.owner->timer_expired(f);
}

stack_span span_of(const task_place& p) noexcept { return {p.base, p.top, p.guard, p.slot}; }

}  // namespace

fiber_core::fiber_core(const operations* table) noexcept : timer_node(&on_timer), ops(table) {}

fiber_core::~fiber_core() = default;

std::string fiber_core::display_name() const {
    if (extras != nullptr && !extras->name.empty())
        return "fiber " + std::to_string(id) + " \"" + extras->name + "\"";
    return id == 0 ? "the main fiber" : "fiber " + std::to_string(id);
}

fiber_extras& fiber_core::extra() {
    if (extras == nullptr) extras = std::make_unique<fiber_extras>();
    return *extras;
}

void report_unobserved(fiber_core& f) noexcept {
    if (f.error == nullptr || std::exchange(f.observed, true)) return;
    // The report may suspend, and the fiber be freed meanwhile.
    const std::exception_ptr error = f.error;
    report_unhandled(f.display_name(), error);
}

void release(fiber_core& f) noexcept {
    const std::uint32_t left = --f.references;
    if (left > (f.buried ? 0U : 1U)) return;
    // The last handle is gone, though the scheduler may not have buried the fiber yet.
    if (f.state == fiber_state::finished) report_unobserved(f);
    if (left != 0) return;
    stack_pool* const pool = f.pool;
    // The main fiber's context is the thread's own.
    if (pool != nullptr) destroy_context(f);
    const stack_span stack{f.stack_base, f.stack_top, f.stack_guard, f.stack_slot};
    f.ops->destroy(f);
    if (pool != nullptr) pool->release(stack);
}

void bury(fiber_core& f) noexcept {
    f.buried = true;
    release(f);
}

void kill_request::raise() {
    if (error == nullptr) throw fiber_exit{};
    std::rethrow_exception(std::exchange(error, nullptr));
}

int kill_request::error_number() const noexcept { return ECANCELED; }

void raise_interrupt() {
    fiber_core& self = *current_fiber;
    while (!self.interrupts.empty()) {
        interrupt& first = self.interrupts.front();
        self.interrupts.pop_front();
        // Only libc's calls end because a handler has run.
        if (first.error_number() != EINTR) first.raise();
    }
}

task_place allocate_task(std::size_t bytes, std::size_t alignment, std::size_t stack_size) {
    scheduler& s = scheduler::get();
    s.reserve();
    const std::size_t size = stack_size == 0 ? default_stack_size() : stack_size;
    const stack_span stack = s.stacks().allocate(size);
    const auto usable = static_cast<std::size_t>(stack.top - stack.base);
    task_place place{&s.stacks(), stack.base, stack.top, stack.guard, stack.slot, nullptr};
    // Callables are small; one that leaves less than half of the stack is a mistake.
    constexpr std::size_t line = 64;
    const std::size_t align = alignment < line ? line : alignment;
    if (bytes + align > usable / 2) {
        s.stacks().release(stack);
        throw std::length_error("ramie::spawn: the callable and its arguments take " +
                                std::to_string(bytes) + " of " + std::to_string(usable) +
                                " bytes of stack; pass a pointer or raise stack_size");
    }
    const auto end = reinterpret_cast<std::uintptr_t>(stack.top);
    place.task = reinterpret_cast<void*>((end - bytes) & ~(align - 1));
    return place;
}

void free_task(const task_place& place) noexcept { place.pool->release(span_of(place)); }

void start_fiber(fiber_core& f, const task_place& place, std::int64_t start_ns) noexcept {
    f.pool = place.pool;
    f.stack_base = place.base;
    f.stack_top = place.top;
    f.stack_guard = place.guard;
    f.stack_slot = place.slot;
    make_context(f, place.base, static_cast<std::byte*>(place.task), &scheduler::enter);
    current_scheduler->start(f, start_ns);
}

}  // namespace ramie::detail
