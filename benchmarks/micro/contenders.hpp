// Those that the benchmarks compare, under one set of names, so that the same code measures all.
//
//     template <class Contender>
//     void some_bench(benchmark::State& state) {
//         auto other = Contender::spawn([] { Contender::yield(); });
//         other.join();
//     }
#pragma once

#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>
#include <condition_variable>
#include <mutex>
#include <ramie/event.hpp>
#include <ramie/fiber.hpp>
#include <thread>
#include <utility>

// A flag that one sets and another waits for and takes down, made of a lock and a condition.
template <class Mutex, class Condition>
class condition_flag {
  public:
    void set() {
        {
            const std::lock_guard lock(mutex_);
            is_set_ = true;
        }
        condition_.notify_one();
    }
    void take() {
        std::unique_lock lock(mutex_);
        condition_.wait(lock, [this] { return is_set_; });
        is_set_ = false;
    }

  private:
    Mutex mutex_;
    Condition condition_;
    bool is_set_ = false;
};

struct ramie_fibers {
    template <class F>
    static auto spawn(F f) {
        return ramie::spawn(std::move(f));
    }
    static void yield() { ramie::this_fiber::yield(); }

    class flag {
      public:
        void set() { event_.set(); }
        void take() {
            event_.wait();
            event_.clear();
        }

      private:
        ramie::event event_;
    };
};

struct boost_fibers {
    template <class F>
    static auto spawn(F f) {
        return boost::fibers::fiber(std::move(f));
    }
    static void yield() { boost::this_fiber::yield(); }
    using flag = condition_flag<boost::fibers::mutex, boost::fibers::condition_variable>;
};

struct threads {
    template <class F>
    static auto spawn(F f) {
        return std::thread(std::move(f));
    }
    using flag = condition_flag<std::mutex, std::condition_variable>;
};
