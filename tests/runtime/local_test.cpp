#include "ramie/local.hpp"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ramie/fiber.hpp"
#include "support/fiber_test.hpp"

namespace {

using local = ramie::test::virtual_time_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

struct counted {
    explicit counted(int& n) : count(&n) { ++n; }
    counted(counted&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
    counted& operator=(counted&&) = delete;
    ~counted() {
        if (count != nullptr) --*count;
    }
    int* count;
};

TEST_F(local, is_another_one_for_each_fiber) {
    ramie::local<std::string> l;
    *l = "main";
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 10; ++i)
        fibers.push_back(spawn([&, i] {
            EXPECT_EQ(*l, "");
            *l = std::to_string(i);
            this_fiber::yield();
            EXPECT_EQ(l->size(), 1U);
            EXPECT_EQ(*l, std::to_string(i));
        }));
    ramie::join_all(fibers);
    EXPECT_EQ(*l, "main");
}

// gevent's issue 387.
TEST_F(local, ends_with_its_fiber_though_a_handle_is_held) {
    int alive = 0;
    ramie::local<counted> l([&] { return counted(alive); });
    auto f = spawn([&] {
        l.get();
        EXPECT_EQ(alive, 1);
        this_fiber::yield();
    });
    auto killed = spawn([&] {
        l.get();
        this_fiber::sleep_for(std::chrono::hours(1));
    });
    this_fiber::yield();
    EXPECT_EQ(alive, 2);
    killed.kill();
    f.join();
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(l.size(), 0U);
}

// gevent's issue 981.
TEST_F(local, ends_its_values_when_it_is_destroyed_in_a_running_fiber) {
    int alive = 0;
    auto l = std::make_unique<ramie::local<counted>>([&] { return counted(alive); });
    l->get();
    auto f = spawn([&] {
        l->get();
        this_fiber::yield();
    });
    this_fiber::yield();
    EXPECT_EQ(alive, 2);
    l.reset();
    EXPECT_EQ(alive, 0);
    f.join();
}

// In a destructor there is no way to leave by an exception.
// Found: no shield while the values are dropped, and to drop them in the order of their making.
TEST_F(local, ends_its_values_in_reverse_order_whoever_is_killed_meanwhile) {
    struct slow {
        slow(std::string& to, char n) : ended(&to), name(n) {}
        slow(slow&& other) noexcept
            : ended(std::exchange(other.ended, nullptr)), name(other.name) {}
        slow& operator=(slow&&) = delete;
        ~slow() {
            if (ended == nullptr) return;
            this_fiber::sleep_for(std::chrono::seconds(1));
            *ended += name;
        }
        std::string* ended;
        char name;
    };
    std::string ended;
    ramie::local<slow> first([&] { return slow(ended, 'a'); });
    ramie::local<slow> second([&] { return slow(ended, 'b'); });
    auto f = spawn([&] {
        first.get();
        second.get();
    });
    this_fiber::yield();
    f.kill();
    EXPECT_EQ(ended, "ba");
    EXPECT_EQ(clock_.elapsed(), std::chrono::seconds(2));
}

TEST_F(local, may_be_used_by_the_destructor_of_another) {
    ramie::local<int> number;
    std::vector<int> seen;
    struct asks {
        ramie::local<int>* number;
        std::vector<int>* seen;
        asks(ramie::local<int>* n, std::vector<int>* s) : number(n), seen(s) {}
        asks(asks&& o) noexcept : number(std::exchange(o.number, nullptr)), seen(o.seen) {}
        asks& operator=(asks&&) = delete;
        ~asks() {
            if (number == nullptr) return;
            this_fiber::yield();
            seen->push_back(**number);
        }
    };
    ramie::local<asks> asking([&] { return asks(&number, &seen); });
    auto f = spawn([&] {
        asking.get();
        *number = 7;
    });
    f.join();
    EXPECT_EQ(seen.size(), 1U);
    EXPECT_EQ(number.size(), 0U);
}

TEST_F(local, serves_several_threads) {
    int alive = 0;
    ramie::local<int> l;
    *l = 1;
    std::thread([&] {
        ramie::run([&] {
            EXPECT_EQ(*l, 0);
            *l = 2;
            spawn([&] { EXPECT_EQ(*l, 0); }).join();
            EXPECT_EQ(l.size(), 2U);
        });
    }).join();
    EXPECT_EQ(*l, 1);
    EXPECT_EQ(l.size(), 1U);
    EXPECT_EQ(alive, 0);
}

}  // namespace
