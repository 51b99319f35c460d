// A value for each fiber.
//
//     ramie::local<std::string> request_id;               // or local<T>([] { return T(...); })
//     *request_id = "42";                                  // this fiber's own
//     log(*request_id);
//
// A value is made when its fiber first asks for it and destroyed when the fiber ends, on the fiber,
// or when the local is destroyed. May be used by the fibers of several threads.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "ramie/detail/thread_lock.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie {

namespace detail {

// The values of one local, by fiber.
class local_store {
  public:
    virtual void drop(const fiber_core&) noexcept = 0;

  protected:
    ~local_store() = default;
};

// `store` has a value of `f` and is told when that ends.
void register_local(const fiber_core& f, std::weak_ptr<local_store> store);

}  // namespace detail

template <class T>
class local {
  public:
    // Values begin as T(). Never suspends.
    local() : local([] { return T(); }) {}

    // Values begin as what `make` returns, called on the fiber. Never suspends.
    explicit local(std::function<T()> make) : make_(std::move(make)) {}
    local(const local&) = delete;
    local& operator=(const local&) = delete;

    // The calling fiber's value; valid until the fiber ends. Throws std::logic_error on the loop.
    // Never suspends, unless what makes it does.
    T& get() {
        detail::fiber_core& self = detail::waiting_fiber("a local");
        if (T* const value = values_->find(self)) return *value;
        auto made = std::make_unique<T>(make_());
        detail::register_local(self, values_);
        return values_->add(self, std::move(made));
    }
    T& operator*() { return get(); }
    T* operator->() { return &get(); }

    // How many fibers have a value. Callable from any thread.
    [[nodiscard]] std::size_t size() const { return values_->size(); }

  private:
    class store final : public detail::local_store {
        using values = std::unordered_map<const detail::fiber_core*, std::unique_ptr<T>>;

      public:
        T* find(const detail::fiber_core& f) {
            const std::lock_guard guard(mutex_);
            const auto found = values_.find(&f);
            return found == values_.end() ? nullptr : found->second.get();
        }
        T& add(const detail::fiber_core& f, std::unique_ptr<T> value) {
            const std::lock_guard guard(mutex_);
            return *(values_[&f] = std::move(value));
        }
        void drop(const detail::fiber_core& f) noexcept override {
            typename values::node_type gone;  // destroyed when the lock is given back
            const std::lock_guard guard(mutex_);
            gone = values_.extract(&f);
        }
        std::size_t size() {
            const std::lock_guard guard(mutex_);
            return values_.size();
        }

      private:
        detail::thread_lock mutex_;  // held for a few instructions, never across a suspension
        values values_;
    };

    std::function<T()> make_;
    std::shared_ptr<store> values_ = std::make_shared<store>();
};

}  // namespace ramie
