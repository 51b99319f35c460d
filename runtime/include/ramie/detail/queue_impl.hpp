// The bodies of <ramie/queue.hpp>, which says what suspends.
#pragma once

#include "ramie/queue.hpp"

namespace ramie {

template <class T, class Items>
template <class U>
bool basic_queue<T, Items>::add(U&& item) {
    try {
        items_.add(std::forward<U>(item));
    } catch (...) {
        core_.wake_putter();
        throw;
    }
    core_.added();
    return true;
}

template <class T, class Items>
T basic_queue<T, Items>::take() {
    // On every way out the next in line is told: that an item or a place is free.
    struct told {
        ~told() {
            if (failed)
                core.wake_getter();
            else
                core.removed();
        }
        detail::queue_core& core;
        bool failed = true;
    } tell{core_};
    T item = items_.take();
    tell.failed = false;
    return item;
}

template <class T, class Items>
template <class U>
bool basic_queue<T, Items>::put_one(U&& item, deadline until) {
    if (!core_.may_put()) [[unlikely]] {
        if (!core_.wait_to_put(until)) return false;
        core_.use_reservation();
    }
    return add(std::forward<U>(item));
}

template <class T, class Items>
void basic_queue<T, Items>::await_item(deadline until, const char* call) {
    if (core_.may_get()) [[likely]]
        return;
    if (!core_.wait_to_get(until)) throw timeout_expired(call);
    core_.use_claim();
}

}  // namespace ramie
