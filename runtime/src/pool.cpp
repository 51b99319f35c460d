#include "ramie/pool.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <vector>

#include "scheduler.hpp"

namespace ramie {

namespace {

constexpr detail::wait_kind empty_group{"the end of a group of fibers"};

}  // namespace

namespace detail {

constinit const wait_kind a_result_of_a_member{"a result of a member of a group"};

void crew::member::ended() noexcept {
    const auto keep = std::move(home);
    if (has_slot) keep->slots.release();
    keep->leave(place);  // the end of *this
}

vacancy::vacancy(const std::shared_ptr<crew>& c, bool with_slot)
    : member_(&c->members.emplace_back(c, with_slot)) {
    member_->place = std::prev(c->members.end());
}

std::optional<vacancy> vacancy::wait_for(std::shared_ptr<crew> c, deadline until) {
    if (!c->slots.acquire(until)) return std::nullopt;
    return vacancy(c, true);
}

void vacancy::fill(const fiber_base& f) {
    crew::member& filled = *std::exchange(member_, nullptr);
    filled.fiber = f;
    f.core()->at_end = &filled;
    if (filled.home->killing()) f.try_kill();
}

void crew::leave(std::list<member>::iterator p) noexcept {
    members.erase(p);
    if (members.size() == 1) last_one_.wake_all();
    if (members.empty()) joiners_.wake_all();
}

bool crew::join(deadline until) {
    if (members.empty()) return true;
    if (has(current_fiber))
        throw std::system_error(EDEADLK, std::generic_category(),
                                "ramie: a member joins its own group");
    return wait_for_turn(joiners_, empty_group, this, until, [this] { return members.empty(); });
}

bool crew::join_others(deadline until) {
    if (!has(current_fiber)) return join(until);
    const auto alone = [this] { return members.size() == 1; };
    if (alone()) return true;
    return wait_for_turn(last_one_, empty_group, this, until, alone);
}

void crew::begin_kill() {
    ++kills_;
    // A member that has not started leaves the list at once.
    std::vector<fiber_base> now;
    for (const member& each : members) now.push_back(each.fiber);
    for (const fiber_base& each : now)
        if (each.core() != current_fiber) each.try_kill();
}

bool crew::has(const fiber_core* f) const noexcept {
    return std::ranges::any_of(members, [f](const member& m) { return m.fiber.core() == f; });
}

}  // namespace detail

bool group::kill(deadline until) const {
    const auto keep = crew_;
    struct killing {
        explicit killing(detail::crew& c) : all(c) { all.begin_kill(); }
        ~killing() { all.end_kill(); }
        killing(const killing&) = delete;
        killing& operator=(const killing&) = delete;
        detail::crew& all;
    } const while_it_lasts(*keep);
    return keep->join_others(until);
}

bool group::wait_available(deadline until) const {
    const auto keep = crew_;
    if (!keep->slots.acquire(until)) return false;
    keep->slots.release();
    return true;
}

// --- task_group --------------------------------------------------------------------------------

task_group::task_group()
    : crew_(std::make_shared<detail::crew>(0)), owner_(detail::waiting_fiber("a task_group")) {}

task_group::~task_group() {
    if (is_linked()) unlink();
    joining_ = true;
    cancel();
    const detail::shielded_scope guard(owner_);
    crew_->join({});
}

void task_group::cancel() {
    if (!std::exchange(cancelled_, true)) crew_->begin_kill();
}

bool task_group::join(deadline until) {
    if (is_linked()) unlink();
    {
        // One that is broken ends too: a failure after that is an interrupt again.
        struct joining {
            explicit joining(bool& f) : flag(f) { flag = true; }
            ~joining() { flag = false; }
            joining(const joining&) = delete;
            joining& operator=(const joining&) = delete;
            bool& flag;
        } const while_it_lasts(joining_);
        if (!crew_->join(until)) return false;
    }
    if (error_ != nullptr) std::rethrow_exception(error_);
    return true;
}

void task_group::fail(std::exception_ptr error) noexcept {
    detail::current_fiber->observed = true;
    if (error_ != nullptr) return;
    error_ = std::move(error);
    cancel();
    if (!joining_) owner_.owner->interrupt(owner_, *this);
}

void task_group::raise() { std::rethrow_exception(error_); }

}  // namespace ramie
