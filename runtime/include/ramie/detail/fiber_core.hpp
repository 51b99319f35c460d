// A fiber's control block. It lies at the top of the fiber's own stack, so that a parked fiber
// costs one page; a handle that outlives the fiber keeps that stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ramie/detail/timer_node.hpp"
#include "ramie/detail/wait_queue.hpp"
#include "ramie/errors.hpp"

namespace ramie {
class fiber_base;
struct fiber_options;
}  // namespace ramie

namespace ramie::detail {

class scheduler;
class stack_pool;

enum class fiber_state : std::uint8_t {
    created,
    ready,
    running,
    parked,
    finished,
    dropped,  // its scheduler ended first
};

// Something that breaks a fiber's wait: a kill or an expired timeout. Queued on the fiber until it
// is at a suspension point; leaves the queue when destroyed, so an expired scope that was left in
// time is forgotten.
class interrupt : public auto_unlink_hook {
  public:
    [[noreturn]] virtual void raise() = 0;
    // What a patched call reports instead of throwing: ECANCELED or ETIMEDOUT.
    [[nodiscard]] virtual int error_number() const noexcept = 0;
    interrupt() = default;
    interrupt(const interrupt&) = delete;
    interrupt& operator=(const interrupt&) = delete;

  protected:
    ~interrupt() = default;
};
using interrupt_queue =
    boost::intrusive::list<interrupt, boost::intrusive::constant_time_size<false>>;

// The limit of a timeout scope: what interrupts, and the timer that queues it. Most scopes are left
// before their fiber has waited, so that timer is set when the fiber suspends; see fiber_core.
class time_limit : public interrupt, public timer_node {
  public:
    std::int64_t due = 0;

  protected:
    explicit time_limit(expire_fn expire) noexcept : timer_node(expire) {}
    ~time_limit() = default;
};
using limit_queue = boost::intrusive::list<time_limit, boost::intrusive::constant_time_size<false>>;

class kill_request final : public interrupt {
  public:
    [[noreturn]] void raise() override;
    [[nodiscard]] int error_number() const noexcept override;
    std::exception_ptr error;  // null: fiber_exit
};

// What is rarely there: allocated on first use.
struct fiber_extras {
    struct link {
        std::uint64_t id;
        std::function<void(const fiber_base&)> callback;
    };
    std::string name;
    std::vector<link> links;  // in order; leave as they are called
    std::uint64_t next_link = 1;
    bool calling_links = false;
};

// What the sanitizers want to be told. Not conditional: a program may be built with other flags
// than the library.
struct sanitizer_state {
    void* asan_fake_stack = nullptr;
    const void* asan_bottom = nullptr;
    std::size_t asan_size = 0;
    void* tsan_fiber = nullptr;
};

// Told when a fiber has ended and nothing of it is left that could still suspend: neither its
// callable, nor its locals, nor a result that nobody asks for.
class end_observer {
  public:
    virtual void ended() noexcept = 0;

  protected:
    ~end_observer() = default;
};

// The timer it is: the deadline of the current wait, or the start of spawn_later.
struct fiber_core : boost::intrusive::list_base_hook<>, timer_node {
    // Runs the body and keeps its result; `abandon` destroys a body that never ran; `destroy` ends
    // the whole object. Together they are the part that spawn() knows the types of.
    struct operations {
        void (*run)(fiber_core&);
        void (*abandon)(fiber_core&) noexcept;
        void (*drop_result)(fiber_core&) noexcept;
        void (*destroy)(fiber_core&) noexcept;
    };

    explicit fiber_core(const operations* ops) noexcept;
    ~fiber_core();
    fiber_core(const fiber_core&) = delete;
    fiber_core& operator=(const fiber_core&) = delete;

    [[nodiscard]] std::string display_name() const;
    fiber_extras& extra();

    // Of the running fiber.
    void note(time_limit& limit, std::int64_t due) noexcept {
        limit.due = due;
        new_limits.push_back(limit);
        has_news = true;
    }
    void add(interrupt& i) noexcept {
        interrupts.push_back(i);
        has_news = true;
    }
    void add_first(interrupt& i) noexcept {
        interrupts.push_front(i);
        has_news = true;
    }

    // What a switch and a wake-up touch, in one cache line: among thousands of fibers each line is
    // a miss.
    alignas(64) void* stack_pointer = nullptr;  // while it does not run
    fiber_state state = fiber_state::created;
    wake wake_reason = wake::granted;
    std::uint8_t shields = 0;  // while not 0, interrupts stay pending
    bool shielded = false;     // parked behind a shield, or in a destructor during unwinding,
                               // where a throw would terminate
    bool exited = false;       // ended by fiber_exit
    bool must_start = false;   // a link: a kill before its start waits for its first suspension
    bool observed = false;     // somebody joined it or asked for the exception
    bool has_news = false;     // perhaps interrupts or new limits: see scheduler::hear_news()
    const wait_kind* waiting = nullptr;
    const void* wait_object = nullptr;
    waiter place{*this};  // where it waits, unless in several queues at once

    interrupt_queue interrupts;
    std::uint32_t references = 1;  // one is the scheduler's own, dropped when the fiber is buried
    bool buried = false;           // the scheduler has dropped its reference
    bool forked = false;           // this process: it ends with the fiber
    std::uint8_t refusals = 0;     // of waits, while it was interrupted: see scheduler::refuse()
    scheduler* owner = nullptr;
    const operations* ops;
    limit_queue new_limits;  // whose timers are not set yet, in order; some may have left
    wait_queue joiners;
    std::exception_ptr error;
    kill_request kill;
    std::uint64_t id = 0;
    std::uint64_t end_order = 0;  // the how manieth of its scheduler to end
    std::unique_ptr<fiber_extras> extras;
    end_observer* at_end = nullptr;  // which holds one reference

    // The stack, see stack_pool.hpp.
    stack_pool* pool = nullptr;
    std::byte* stack_base = nullptr;
    std::byte* stack_top = nullptr;
    std::size_t stack_guard = 0;
    std::size_t stack_slot = 0;

    sanitizer_state sanitizers;
};

// While it lives, what interrupts the fiber stays pending.
class shielded_scope {
  public:
    explicit shielded_scope(fiber_core& f) noexcept : fiber_(f) { ++fiber_.shields; }
    ~shielded_scope() { --fiber_.shields; }
    shielded_scope(const shielded_scope&) = delete;
    shielded_scope& operator=(const shielded_scope&) = delete;

  private:
    fiber_core& fiber_;
};

// The calling fiber's own place, for the one queue in which it is about to wait. Throws as
// waiting_fiber() does.
inline waiter& own_place(const char* call) {
    waiter& place = waiting_fiber(call).place;
    place.on_wake = nullptr;
    return place;
}

// wait_for_turn() there.
template <class Take>
bool wait_for_turn(wait_queue& queue, const wait_kind& kind, const void* object, deadline until,
                   Take take) {
    return wait_for_turn(queue, own_place(kind.what), kind, object, until, std::move(take));
}

inline void retain(fiber_core& f) noexcept { ++f.references; }
void release(fiber_core&) noexcept;

// Takes a stack, leaves `bytes` aligned to `alignment` at its top for the task, which is built
// there by the caller. Throws std::system_error (ENOMEM) when there is no memory for a stack.
struct task_place {
    stack_pool* pool;
    std::byte* base;
    std::byte* top;
    std::size_t guard;
    std::size_t slot;
    void* task;
};
task_place allocate_task(std::size_t bytes, std::size_t alignment, std::size_t stack_size);
void free_task(const task_place&) noexcept;

// Makes the built task a fiber of the calling thread's scheduler, ready at once or at `start`.
void start_fiber(fiber_core&, const task_place&, std::int64_t start_ns = 0) noexcept;

// Throws what interrupted the calling fiber's wait. To be called after wake::interrupted. Returns
// when the timeout that broke the wait was cancelled by another fiber before this one ran: then
// the caller looks at what it waits for and waits on.
void raise_interrupt();

}  // namespace ramie::detail
