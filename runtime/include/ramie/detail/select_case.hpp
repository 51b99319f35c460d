// The cases of <ramie/select.hpp>. select_among() suspends the calling fiber; a case never suspends
// until it runs what the caller gave it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "ramie/channel.hpp"
#include "ramie/deadline.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/event.hpp"

namespace ramie::detail {

struct do_nothing {
    void operator()() const noexcept {}
};

// One thing that may happen.
class select_case {
  public:
    // Makes it happen if it can without waiting.
    virtual bool try_now() = 0;
    virtual void enlist() = 0;
    virtual void withdraw() noexcept = 0;
    // Completes what was handed over.
    virtual void finish() = 0;
    // What the caller wants to be done when it has happened.
    virtual void run() = 0;
    bool won = false;
    // It happened when something else had woken the fiber. What passes at once, as an event that is
    // cleared again, would be missed if that something is taken back.
    bool was_passed_over = false;

  protected:
    ~select_case() = default;
};

std::optional<std::size_t> select_among(std::span<select_case* const>, deadline);

// A place in a queue that tells its case when it is the one that is woken.
template <class Base>
struct select_place : Base {
    template <class... Args>
    explicit select_place(select_case& c, Args&&... args) noexcept
        : Base(std::forward<Args>(args)...), owner(c) {
        this->on_wake = [](waiter& w) noexcept {
            auto& self = static_cast<select_place&>(static_cast<Base&>(w));
            const bool waits = self.fiber->state == fiber_state::parked;
            (waits ? self.owner.won : self.owner.was_passed_over) = true;
            return true;
        };
    }
    select_case& owner;
};

template <class Base>
class placed_case : public select_case {
  public:
    template <class... Args>
    explicit placed_case(Args&&... args)
        : place_(*this, waiting_fiber("select"), std::forward<Args>(args)...) {}
    void withdraw() noexcept final {
        if (place_.is_linked()) place_.unlink();
    }

  protected:
    ~placed_case() = default;
    select_place<Base> place_;
};

template <class Source, class F>
class get_case final : public placed_case<waiter> {
  public:
    get_case(Source& from, F f) : from_(from), f_(std::move(f)) {}
    bool try_now() override {
        if (!from_.core().may_get()) return false;
        item_.emplace(from_.take());
        return true;
    }
    void enlist() override { from_.core().enqueue_getter(place_); }
    void finish() override {
        from_.core().use_claim();
        item_.emplace(from_.take());
    }
    void run() override { std::invoke(f_, std::move(*item_)); }

  private:
    Source& from_;
    F f_;
    std::optional<typename Source::value_type> item_;
};

template <class T, class F>
class get_case<channel<T>, F> final : public placed_case<channel_place<T>> {
  public:
    get_case(channel<T>& from, F f)
        : placed_case<channel_place<T>>(nullptr, &item_), from_(from), f_(std::move(f)) {}
    bool try_now() override {
        item_ = from_.try_get();
        return item_.has_value();
    }
    void enlist() override { from_.enqueue_getter(this->place_); }
    void finish() override {
        if (!item_) throw queue_shutdown();
    }
    void run() override { std::invoke(f_, std::move(*item_)); }

  private:
    channel<T>& from_;
    F f_;
    std::optional<T> item_;
};

template <class Target, class F>
class put_case final : public placed_case<waiter> {
  public:
    put_case(Target& to, typename Target::value_type item, F f)
        : to_(to), item_(std::move(item)), f_(std::move(f)) {}
    bool try_now() override { return to_.try_put(std::move(item_)); }
    void enlist() override { to_.core().enqueue_putter(place_); }
    void finish() override {
        to_.core().use_reservation();
        to_.add(std::move(item_));
    }
    void run() override { std::invoke(f_); }

  private:
    Target& to_;
    typename Target::value_type item_;
    F f_;
};

template <class T, class F>
class put_case<channel<T>, F> final : public placed_case<channel_place<T>> {
  public:
    put_case(channel<T>& to, T item, F f)
        : placed_case<channel_place<T>>(&item_, nullptr),
          to_(to),
          item_(std::move(item)),
          f_(std::move(f)) {}
    bool try_now() override { return to_.try_put(std::move(item_)); }
    void enlist() override { to_.enqueue_putter(this->place_); }
    void finish() override {
        if (!this->place_.done) throw queue_shutdown();
    }
    void run() override { std::invoke(f_); }

  private:
    channel<T>& to_;
    T item_;
    F f_;
};

template <class F>
class event_case final : public placed_case<waiter> {
  public:
    event_case(event& e, F f) : event_(e), f_(std::move(f)) {}
    bool try_now() override { return event_.is_set() || was_passed_over; }
    void enlist() override { event_.enqueue(place_); }
    void finish() override {}
    void run() override { std::invoke(f_); }

  private:
    event& event_;
    F f_;
};

}  // namespace ramie::detail
