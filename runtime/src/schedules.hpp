// The ways to pick the next fiber in a test: at random, by priorities, each in turn.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ramie/testing/seeded_random.hpp"
#include "schedule_hook.hpp"

namespace ramie::testing::detail {

using ramie::detail::fiber_core;
using ramie::detail::ready_ring;

class schedule : public ramie::detail::schedule_hook {
  public:
    virtual ~schedule() = default;

    // A run under virtual time that goes on after so many switches is told to end: its main fiber
    // is interrupted.
    void limit(std::size_t switches) noexcept {
        left_over_ = switches;
        was_told_ = false;
    }
    void left(fiber_core&) noexcept override;

  protected:
    schedule() = default;
    schedule(const schedule&) = default;
    schedule& operator=(const schedule&) = default;

  private:
    std::size_t left_over_ = static_cast<std::size_t>(-1);
    bool was_told_ = false;
};

class uniform_schedule final : public schedule {
  public:
    explicit uniform_schedule(std::uint64_t seed) noexcept : random_(seed) {}
    std::uint32_t pick(const ready_ring&, const fiber_core*) noexcept override;
    std::uint32_t choose(std::uint32_t count) noexcept override;

  private:
    seeded_random random_;
};

// Who has the highest priority runs. A fiber that gives way falls behind all others, as does the
// highest one at each of a few random steps.
class priority_schedule final : public schedule {
  public:
    explicit priority_schedule(std::uint64_t seed, std::uint64_t first_id = 1) noexcept;
    std::uint32_t pick(const ready_ring&, const fiber_core* leaving) noexcept override;
    std::uint32_t choose(std::uint32_t count) noexcept override;

  private:
    [[nodiscard]] std::uint64_t number_of(const fiber_core&) const noexcept;
    [[nodiscard]] std::uint64_t priority_of(const fiber_core&) const noexcept;
    [[nodiscard]] std::uint32_t highest(const ready_ring&) const noexcept;
    void demote(const fiber_core&) noexcept;

    std::uint64_t seed_;
    std::uint64_t first_id_;
    seeded_random choices_;
    std::uint64_t step_ = 0;
    std::array<std::uint64_t, 3> changes_{};          // steps; 0: none
    std::map<std::uint64_t, std::uint64_t> demoted_;  // fiber, and when
};

// The first fiber that is started under it has the number `first_id`.
std::unique_ptr<schedule> make_schedule(std::uint64_t seed, std::uint64_t first_id = 1);

inline constexpr std::string_view path_prefix = "path:";

// What RAMIE_SEED says, unless that is a path: for explore(), and for explore_all().
std::optional<std::uint64_t> wanted_seed();
std::optional<std::string_view> wanted_path();

// All schedules, one a run. The first takes the default everywhere; advance() takes the next
// alternative at the last place that has one.
class every_schedule final : public schedule {
  public:
    explicit every_schedule(unsigned preemptions) noexcept : allowed_(preemptions) {}

    // The one schedule that path() has named.
    void follow(std::string_view path);
    void begin() noexcept;
    // False: that was the last one.
    bool advance() noexcept;
    [[nodiscard]] std::string path() const;
    // The model did not do the same as before under the same schedule.
    [[nodiscard]] bool diverged() const noexcept { return diverged_; }

    std::uint32_t pick(const ready_ring&, const fiber_core* leaving) noexcept override;
    std::uint32_t choose(std::uint32_t count) noexcept override;

  private:
    struct choice {
        std::uint32_t taken;
        std::uint32_t count;
        bool is_costly;  // another than the default is a pre-emption
        [[nodiscard]] unsigned cost() const noexcept { return is_costly && taken != 0 ? 1 : 0; }
    };
    static choice choice_of(const ready_ring&, const fiber_core* leaving) noexcept;
    std::uint32_t take(const choice& here) noexcept;

    unsigned allowed_;
    std::size_t at_ = 0;
    bool diverged_ = false;
    bool follows_ = false;
    std::vector<choice> choices_;
};

}  // namespace ramie::testing::detail
