#include "ramie/fiber.hpp"

#include <sched.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>

#include "diagnostics.hpp"
#include "scheduler.hpp"

namespace ramie {

using detail::fiber_core;
using detail::fiber_state;
using detail::scheduler;
using detail::wake;

namespace {

void describe_target(const void* fiber, std::string& out) {
    out += " of " + static_cast<const fiber_core*>(fiber)->display_name();
}

constexpr detail::wait_kind an_end{"the end", detail::outside::nobody, &describe_target};

// Handles belong to the thread of their fiber, and to its scheduler.
scheduler& owner_of(const fiber_core& f, const char* call) {
    scheduler* mine = scheduler::find();
    if (mine == nullptr || f.owner != mine)
        throw std::logic_error(std::string("ramie: ") + call + " of " + f.display_name() +
                               ", which belongs to another thread, to an ended run() or to the "
                               "parent of this process");
    return *mine;
}

}  // namespace

namespace detail {

// Not even the end of run() loses a link.
void start_link(std::function<void(const fiber_base&)> callback, const fiber_base& ended) {
    const std::string name = "link of " + ended.core()->display_name();
    try {
        spawn({.name = name}, std::move(callback), ended).core()->must_start = true;
    } catch (...) {
        report_unhandled(name, std::current_exception());
    }
}

// Starts the links one by one, each up to its first suspension before the next is taken: a link
// may still unlink a later one.
void start_links(const fiber_base& ended) {
    ++current_fiber->shields;
    fiber_extras& extras = ended.core()->extra();
    while (!extras.links.empty()) {
        auto callback = std::move(extras.links.front().callback);
        extras.links.erase(extras.links.begin());
        start_link(std::move(callback), ended);
        this_fiber::yield();
    }
    extras.calling_links = false;
}

void scheduler::call_links(fiber_core& f) noexcept {
    if (std::exchange(f.extra().calling_links, true)) return;
    try {
        spawn(&start_links, fiber_base(&f)).core()->must_start = true;
    } catch (...) {
        f.extra().calling_links = false;
        report_unhandled("the links of " + f.display_name(), std::current_exception());
    }
}

void scheduler::timer_expired(fiber_core& f) noexcept {
    if (f.state == fiber_state::created)
        ready_.push(f);
    else
        grant(f, wake::timed_out);
}

bool wait_for_end(fiber_core& f, deadline until) {
    if (f.state == fiber_state::finished) return true;
    scheduler& mine = owner_of(f, "join");
    if (&f == current_fiber && !mine.interrupt_due(f))
        throw std::system_error(EDEADLK, std::generic_category(),
                                "ramie: " + f.display_name() + " joins itself");
    while (f.state != fiber_state::finished) {
        const wake reason = f.joiners.wait(an_end, &f, until);
        if (reason == wake::interrupted) raise_interrupt();
        if (reason == wake::timed_out) return false;
    }
    return true;
}

}  // namespace detail

bool fiber_base::join(deadline until) const {
    if (core_ == nullptr) return true;
    // This handle may be gone when the wait is over.
    const fiber_base keep = *this;
    const bool ended = detail::wait_for_end(*keep.core_, until);
    keep.core_->observed |= ended;
    return ended;
}

detail::fiber_core& fiber_base::wait_for_result(deadline until) const {
    if (core_ == nullptr) throw std::logic_error("ramie: get() of a handle to no fiber");
    const fiber_base keep = *this;
    fiber_core& ended = *keep.core_;
    if (!keep.join(until)) throw timeout_expired("get of " + ended.display_name());
    if (ended.error != nullptr) std::rethrow_exception(ended.error);
    if (ended.exited) throw fiber_exit{};
    return ended;
}

void fiber_base::try_kill(std::exception_ptr error) const {
    if (core_ == nullptr || core_->state == fiber_state::finished) return;
    owner_of(*core_, "kill").kill(*core_, std::move(error));
}

bool fiber_base::kill(std::exception_ptr error, deadline until) const {
    if (core_ == nullptr || core_->state == fiber_state::finished) return true;
    const fiber_base keep = *this;
    scheduler& mine = owner_of(*core_, "kill");
    mine.kill(*core_, std::move(error));
    if (keep.core_ == detail::current_fiber) detail::raise_interrupt();
    return detail::wait_for_end(*keep.core_, until);
}

bool fiber_base::ready() const noexcept {
    return core_ == nullptr || core_->state == fiber_state::finished;
}

bool fiber_base::successful() const noexcept {
    return core_ != nullptr && ready() && core_->error == nullptr;
}

std::exception_ptr fiber_base::exception() const noexcept {
    if (core_ == nullptr || !ready()) return nullptr;
    core_->observed = true;
    return core_->error;
}

link_id fiber_base::link(std::function<void(const fiber_base&)> f) const {
    if (core_ == nullptr) throw std::logic_error("ramie: link() of a handle to no fiber");
    detail::require_callable(f);
    scheduler& mine = owner_of(*core_, "link");
    if (core_ == &mine.main_fiber())
        throw std::logic_error(
            "ramie: link() of the main fiber, after whose end no fiber can run; call it where main "
            "ends");
    detail::fiber_extras& extras = core_->extra();
    const link_id id = extras.next_link++;
    extras.links.push_back({id, std::move(f)});
    if (ready()) mine.call_links(*core_);
    return id;
}

void fiber_base::unlink(link_id id) const noexcept {
    if (core_ == nullptr || core_->extras == nullptr) return;
    std::erase_if(core_->extras->links, [id](const auto& link) { return link.id == id; });
}

std::uint64_t fiber_base::id() const noexcept { return core_ == nullptr ? 0 : core_->id; }

std::string fiber_base::name() const {
    if (core_ == nullptr) return {};
    if (core_->extras != nullptr && !core_->extras->name.empty()) return core_->extras->name;
    return core_->id == 0 ? "main" : "fiber-" + std::to_string(core_->id);
}

void fiber_base::set_name(std::string name) const {
    if (core_ != nullptr) core_->extra().name = std::move(name);
}

namespace this_fiber {

void yield() {
    scheduler* mine = scheduler::find();
    if (mine == nullptr) {
        sched_yield();
        return;
    }
    detail::require_fiber(*mine, "yield");
    mine->yield();
}

void sleep_until(deadline until) {
    scheduler& mine = scheduler::get();
    detail::require_fiber(mine, "sleep");
    if (until.expired()) return mine.yield();
    while (mine.park(detail::sleeping, nullptr, until) == wake::interrupted)
        detail::raise_interrupt();
}

std::uint64_t id() noexcept {
    return detail::current_fiber == nullptr ? 0 : detail::current_fiber->id;
}

std::string name() { return self().name(); }

fiber_base self() noexcept {
    return detail::current_fiber == nullptr ? fiber_base() : fiber_base(detail::current_fiber);
}

}  // namespace this_fiber

}  // namespace ramie
