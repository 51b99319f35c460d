// Those that the benchmarks compare, under one set of names, so that the same code measures all.
//
//     template <class Contender>
//     void some_bench(benchmark::State& state) {
//         auto other = Contender::spawn([] { Contender::yield(); });
//         other.join();
//     }
#pragma once

#include <boost/fiber/buffered_channel.hpp>
#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/unbuffered_channel.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <ramie/event.hpp>
#include <ramie/fiber.hpp>
#include <ramie/lock.hpp>
#include <ramie/queue.hpp>
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
    // The same with a limit, which is not reached.
    void take_within(std::chrono::hours limit) {
        std::unique_lock lock(mutex_);
        condition_.wait_for(lock, limit, [this] { return is_set_; });
        is_set_ = false;
    }

  private:
    Mutex mutex_;
    Condition condition_;
    bool is_set_ = false;
};

// A count of permits, made of the same.
template <class Mutex, class Condition>
class condition_semaphore {
  public:
    void release() {
        {
            const std::lock_guard lock(mutex_);
            ++permits_;
        }
        condition_.notify_one();
    }
    void acquire() {
        std::unique_lock lock(mutex_);
        condition_.wait(lock, [this] { return permits_ != 0; });
        --permits_;
    }

  private:
    Mutex mutex_;
    Condition condition_;
    int permits_ = 0;
};

// A channel of Boost.Fiber under the names of ours. A buffered one wants a power of two.
template <class T, class Channel>
class boost_channel : private Channel {
  public:
    using Channel::Channel;
    void put(T item) { this->push(std::move(item)); }
    T get() { return this->value_pop(); }
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
        void take_within(std::chrono::hours limit) {
            event_.wait(limit);
            event_.clear();
        }

      private:
        ramie::event event_;
    };
    using mutex = ramie::mutex;
    struct semaphore : ramie::semaphore {
        semaphore() : ramie::semaphore(0) {}
    };
    template <class T>
    using queue = ramie::queue<T>;
    template <class T>
    using channel = ramie::channel<T>;
};

struct boost_fibers {
    template <class F>
    static auto spawn(F f) {
        return boost::fibers::fiber(std::move(f));
    }
    static void yield() { boost::this_fiber::yield(); }
    using mutex = boost::fibers::mutex;
    using flag = condition_flag<mutex, boost::fibers::condition_variable>;
    using semaphore = condition_semaphore<mutex, boost::fibers::condition_variable>;
    template <class T>
    using queue = boost_channel<T, boost::fibers::buffered_channel<T>>;
    template <class T>
    using channel = boost_channel<T, boost::fibers::unbuffered_channel<T>>;
};

struct threads {
    template <class F>
    static auto spawn(F f) {
        return std::thread(std::move(f));
    }
    using mutex = std::mutex;
    using flag = condition_flag<mutex, std::condition_variable>;
    using semaphore = condition_semaphore<mutex, std::condition_variable>;
};
