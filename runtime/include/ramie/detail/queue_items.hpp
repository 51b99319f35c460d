// In which order a queue gives its items back. Never suspends.
#pragma once

#include <cstddef>
#include <deque>
#include <set>
#include <utility>
#include <vector>

namespace ramie::detail {

// An item whose move throws stays where it is.
template <class T>
class fifo_items {
  public:
    template <class U>
    void add(U&& item) {
        items_.push_back(std::forward<U>(item));
    }
    [[nodiscard]] const T& first() const noexcept { return items_.front(); }
    T take() {
        T item(std::move(items_.front()));
        items_.pop_front();
        return item;
    }
    void clear() noexcept { items_.clear(); }

  private:
    std::deque<T> items_;
};

template <class T>
class lifo_items {
  public:
    template <class U>
    void add(U&& item) {
        items_.push_back(std::forward<U>(item));
    }
    [[nodiscard]] const T& first() const noexcept { return items_.back(); }
    T take() {
        T item(std::move(items_.back()));
        items_.pop_back();
        return item;
    }
    void clear() noexcept { items_.clear(); }

  private:
    std::vector<T> items_;
};

// Equal ones in the order in which they came. Nodes keep their items in place, so that neither a
// comparison nor a move that throws leaves disorder behind.
template <class T, class Compare>
class sorted_items {
  public:
    template <class U>
    void add(U&& item) {
        items_.insert(std::forward<U>(item));
    }
    [[nodiscard]] const T& first() const noexcept { return *items_.begin(); }
    T take() {
        // The order does not matter for one that leaves at once.
        T item(std::move(const_cast<T&>(*items_.begin())));
        items_.erase(items_.begin());
        return item;
    }
    void clear() noexcept { items_.clear(); }

  private:
    std::multiset<T, Compare> items_;
};

}  // namespace ramie::detail
