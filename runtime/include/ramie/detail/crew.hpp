// The fibers of a group: who they are, how many there may be, and how they leave. join(),
// join_others() and wait_for_slot() suspend the calling fiber; the rest never suspends.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <tuple>
#include <utility>

#include "ramie/deadline.hpp"
#include "ramie/detail/wait_queue.hpp"
#include "ramie/fiber.hpp"
#include "ramie/semaphore.hpp"

namespace ramie::detail {

class crew {
  public:
    explicit crew(std::size_t limit) : slots(limit) {}
    ~crew() {
        joiners_.close();
        last_one_.close();
    }

    using place = std::list<fiber_base>::iterator;
    place enter() { return members.emplace(members.end()); }
    void leave(place) noexcept;
    // True when it was empty at some time; false at the deadline. Throws std::system_error
    // (EDEADLK) on a member.
    bool join(deadline until);
    // The same, or on a member when that one was alone.
    bool join_others(deadline until);
    // Kills every member, and those that come until end_kill().
    void begin_kill();
    void end_kill() noexcept { --kills_; }
    [[nodiscard]] bool killing() const noexcept { return kills_ != 0; }
    [[nodiscard]] bool has(const fiber_core*) const noexcept;

    std::list<fiber_base> members;
    semaphore slots;

  private:
    std::size_t kills_ = 0;
    wait_queue joiners_;
    wait_queue last_one_;  // members that wait until they are alone
};

// One fiber's place in a crew, which it leaves when its callable is gone.
class membership {
  public:
    explicit membership(std::shared_ptr<crew> c, bool with_slot)
        : crew_(std::move(c)), place_(crew_->enter()), has_slot_(with_slot) {}
    membership(membership&& other) noexcept
        : crew_(std::move(other.crew_)), place_(other.place_), has_slot_(other.has_slot_) {}
    membership& operator=(membership&&) = delete;
    ~membership() {
        if (crew_ == nullptr) return;
        if (has_slot_) crew_->slots.release();
        crew_->leave(place_);
    }
    void wait_for_slot() {
        if (!has_slot_) has_slot_ = crew_->slots.acquire();
    }
    [[nodiscard]] crew::place place() const noexcept { return place_; }

  private:
    std::shared_ptr<crew> crew_;
    crew::place place_;
    bool has_slot_;
};

// What a member runs. The membership comes first, so that it is the last to go.
template <class F, class... Args>
struct member_task {
    membership member;
    F body;
    std::tuple<Args...> args;
    auto operator()() -> std::invoke_result_t<F, Args...> {
        member.wait_for_slot();
        return std::apply(std::move(body), std::move(args));
    }
};

template <class F, class... Args>
auto spawn_member(const std::shared_ptr<crew>& c, membership member, F&& f, Args&&... args) {
    const crew::place place = member.place();
    auto handle = spawn(member_task<std::decay_t<F>, std::decay_t<Args>...>{
        std::move(member), std::forward<F>(f), {std::forward<Args>(args)...}});
    *place = handle;
    if (c->killing()) handle.try_kill();
    return handle;
}

}  // namespace ramie::detail
