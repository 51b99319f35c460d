#pragma once
// Plain calls that hang, as on a disk that does not answer.
//
//     hanging<real::read> disk;       // until let_go(), or the end of the scope
//     ... ::read(fd, ...) ...         // on a thread other than the one that made `disk`
//     while (disk.waiting() == 0) ramie::this_fiber::yield();

#include <atomic>
#include <thread>

#include "calls.hpp"

namespace ramie::test {

class hung_call {
  public:
    hung_call() = default;
    virtual ~hung_call() = default;
    hung_call(const hung_call&) = delete;
    hung_call& operator=(const hung_call&) = delete;

    virtual void let_go() = 0;
    // How many hang now.
    [[nodiscard]] virtual int waiting() const = 0;
    // How many fibers have made so far, and how many other threads. On the thread that has made
    // this, which is to let them go, none hangs.
    [[nodiscard]] virtual int made_by_fibers() const = 0;
    [[nodiscard]] virtual int made_elsewhere() const = 0;
};

// One of each call at a time.
template <auto& Call>
class hanging;
template <class R, class... Args, monkey::detail::original_call<R(Args...)>& Call>
class hanging<Call> final : public hung_call {
  public:
    hanging() {
        plain_ = Call.get();
        hangs_ = true;
        here_ = std::this_thread::get_id();
        made_by_fibers_ = made_elsewhere_ = 0;
        Call.replace(&wait_and_call);
    }
    ~hanging() override {
        hangs_ = false;
        Call.replace(plain_);
    }

    void let_go() override { hangs_ = false; }
    [[nodiscard]] int waiting() const override { return waiting_; }
    [[nodiscard]] int made_by_fibers() const override { return made_by_fibers_; }
    [[nodiscard]] int made_elsewhere() const override { return made_elsewhere_; }

  private:
    static R wait_and_call(Args... args) {
        if (monkey::detail::current_fiber != nullptr) ++made_by_fibers_;
        if (std::this_thread::get_id() == here_) return plain_(args...);
        ++made_elsewhere_;
        ++waiting_;
        while (hangs_) std::this_thread::yield();
        --waiting_;
        return plain_(args...);
    }
    static inline R (*plain_)(Args...);
    static inline std::thread::id here_;
    static inline std::atomic<bool> hangs_;
    static inline std::atomic<int> waiting_;
    static inline std::atomic<int> made_by_fibers_;
    static inline std::atomic<int> made_elsewhere_;
};

}  // namespace ramie::test
