// The fibers of a group: who they are, how many there may be, and how they leave. join(),
// join_others() and what waits for a slot suspend the calling fiber; the rest never suspends.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "ramie/deadline.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/detail/wait_queue.hpp"
#include "ramie/fiber.hpp"
#include "ramie/semaphore.hpp"

namespace ramie::detail {

class crew {
  public:
    // A fiber, from before its start until nothing is left of it.
    struct member final : end_observer {
        member(std::shared_ptr<crew> c, bool with_slot) : home(std::move(c)), has_slot(with_slot) {}
        void ended() noexcept override;
        void wait_for_slot() {
            if (!has_slot) has_slot = home->slots.acquire();
        }
        std::shared_ptr<crew> home;  // which may be all that is left of the group
        bool has_slot;
        fiber_base fiber;
        std::list<member>::iterator place;
    };

    explicit crew(std::size_t limit) : slots(limit) {}
    ~crew() {
        joiners_.close();
        last_one_.close();
    }

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

    std::list<member> members;
    semaphore slots;

  private:
    void leave(std::list<member>::iterator) noexcept;

    std::size_t kills_ = 0;
    wait_queue joiners_;
    wait_queue last_one_;  // members that wait until they are alone
};

// The place of a fiber that is about to be spawned; given back unless it is filled.
class vacancy {
  public:
    // With a slot that was taken, or without one yet.
    vacancy(const std::shared_ptr<crew>&, bool with_slot);
    vacancy(vacancy&& other) noexcept : member_(std::exchange(other.member_, nullptr)) {}
    vacancy& operator=(vacancy&&) = delete;
    ~vacancy() {
        if (member_ != nullptr) member_->ended();
    }

    // Nothing at the deadline. The group may be destroyed while its caller waits: this shares what
    // is left. Suspends the calling fiber.
    static std::optional<vacancy> wait_for(std::shared_ptr<crew>, deadline until = {});

    [[nodiscard]] crew::member& member() const noexcept { return *member_; }
    void fill(const fiber_base&);

  private:
    crew::member* member_;
};

// What a member runs.
template <class F, class... Args>
struct member_task {
    crew::member* self;
    F body;
    std::tuple<Args...> args;
    auto operator()() -> std::invoke_result_t<F, Args...> {
        self->wait_for_slot();
        return std::apply(std::move(body), std::move(args));
    }
};

template <class F, class... Args>
auto spawn_member(vacancy place, F&& f, Args&&... args) {
    auto handle = spawn(member_task<std::decay_t<F>, std::decay_t<Args>...>{
        &place.member(), std::forward<F>(f), {std::forward<Args>(args)...}});
    place.fill(handle);
    return handle;
}

}  // namespace ramie::detail
