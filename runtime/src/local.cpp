#include "ramie/local.hpp"

#include <algorithm>
#include <vector>

#include "locals.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

namespace {

using stores = std::vector<std::weak_ptr<local_store>>;

// Which locals have a value of which fiber of this thread.
struct registry {
    std::unordered_map<const fiber_core*, stores> by_fiber;
    ~registry() { locals_in_use = false; }
};

registry& registered() {
    static thread_local registry mine;
    return mine;
}

}  // namespace

constinit thread_local bool locals_in_use = false;

void register_local(const fiber_core& f, std::weak_ptr<local_store> store) {
    registered().by_fiber[&f].push_back(std::move(store));
    locals_in_use = true;
}

// The destructor of a value may use another local.
void drop_locals_slowly(const fiber_core& f) noexcept {
    auto& all = registered().by_fiber;
    while (auto mine = all.extract(&f)) {
        std::ranges::reverse(mine.mapped());
        for (const auto& each : mine.mapped())
            if (const auto store = each.lock()) store->drop(f);
    }
}

}  // namespace ramie::detail
