// Range-for over a queue or channel. To begin and to go on suspends the calling fiber.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>

#include "ramie/detail/queue_core.hpp"

namespace ramie::detail {

// Takes items one by one; the end is that of the source.
template <class Source>
class item_iterator {
  public:
    using value_type = typename Source::value_type;
    using difference_type = std::ptrdiff_t;

    explicit item_iterator(Source& source) : source_(&source) { ++*this; }
    value_type& operator*() const noexcept { return *item_; }
    item_iterator& operator++() {
        try {
            item_.reset();
            if constexpr (std::is_void_v<decltype(source_->get())>) {
                source_->get();
                item_.emplace();
            } else {
                item_.emplace(source_->get());
            }
        } catch (const queue_shutdown&) {
            source_ = nullptr;
        }
        return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const item_iterator& i, std::default_sentinel_t) noexcept {
        return i.source_ == nullptr;
    }

  private:
    Source* source_;
    mutable std::optional<value_type> item_;
};

}  // namespace ramie::detail
