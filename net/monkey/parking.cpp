#include "parking.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "ramie/detail/scheduler_hooks.hpp"

namespace ramie::monkey::detail {

namespace {

// As long as nobody has waited, a forked child need not write to the table: each page of it would
// be copied then.
constinit std::atomic<bool> in_use{false};

void note_use() noexcept {
    if (!in_use.load(std::memory_order_relaxed)) [[unlikely]]
        in_use = true;
}

void count(const void* key, int more) noexcept {
    note_use();
    parked_near[bucket_index(key)].fetch_add(static_cast<std::uint32_t>(more));
    parked_anywhere.fetch_add(static_cast<std::uint32_t>(more));
}

}  // namespace

// One part of the table. The queues in it are chained by their first members.
struct alignas(64) bucket {
    std::atomic<const void*> holder{nullptr};
    std::atomic<bool> missed{false};  // a signal handler came while its own thread held this
    parked* firsts = nullptr;
    mark* marks = nullptr;

    parked** place_of(const void* key) noexcept {
        parked** place = &firsts;
        while (*place != nullptr && (*place)->key_ != key) place = &(*place)->next_first_;
        return place;
    }

    void append(parked& p) noexcept {
        parked** const place = place_of(p.key_);
        p.queued_ = true;
        if (*place == nullptr) {
            *place = &p;
            return;
        }
        parked& first = **place;
        p.previous_ = first.last_;
        first.last_->next_ = &p;
        first.last_ = &p;
        ++first.length_;
        if (first.mixed_ || p.waiter_.home() == first.waiter_.home()) return;
        // Those that took it for a matter of one thread look again.
        first.mixed_ = true;
        tell_queue(first);
    }

    void remove(parked& p) noexcept {
        parked** const place = place_of(p.key_);
        p.queued_ = false;
        parked& first = **place;
        if (&first != &p) {
            --first.length_;
            p.previous_->next_ = p.next_;
            (p.next_ != nullptr ? p.next_->previous_ : first.last_) = p.previous_;
            return;
        }
        if (p.next_ == nullptr) {
            *place = p.next_first_;
            return;
        }
        parked& heir = *p.next_;
        heir.previous_ = nullptr;
        heir.next_first_ = p.next_first_;
        heir.last_ = p.last_;
        heir.length_ = p.length_ - 1;
        heir.mixed_ = p.mixed_;
        *place = &heir;
    }

    static void tell(parked& p, bool may_interrupt = false) noexcept {
        p.woken_ = true;
        if (p.waiter_.is_of_this_thread() && !may_interrupt)
            p.waiter_.wake_up_here();
        else
            p.waiter_.wake_up();
    }
    static void tell_queue(parked& first, bool may_interrupt = false) noexcept {
        for (parked* each = &first; each != nullptr; each = each->next_) tell(*each, may_interrupt);
    }
    void tell_everyone() noexcept {
        for (parked* each = firsts; each != nullptr; each = each->next_first_) tell_queue(*each);
    }

    void grant_first(parked& first, bool may_interrupt = false) noexcept {
        remove(first);
        count(first.key_, -1);
        first.granted_ = true;
        tell(first, may_interrupt);
    }

    // Fibers that will never run again.
    void forget(const scheduler* home) noexcept {
        while (parked* const lost = first_of(home)) {
            remove(*lost);
            count(lost->key_, -1);
            if (parked* const next = *place_of(lost->key_)) tell(*next);
        }
    }
    parked* first_of(const scheduler* home) noexcept {
        for (parked* queue = firsts; queue != nullptr; queue = queue->next_first_)
            for (parked* each = queue; each != nullptr; each = each->next_)
                if (each->waiter_.home() == home) return each;
        return nullptr;
    }

    static bool is_first(const parked& p) noexcept { return p.previous_ == nullptr; }
    static bool is_mixed(const parked& first) noexcept { return first.mixed_; }
    static std::uint32_t length_of(const parked* first) noexcept {
        return first == nullptr ? 0 : first->length_;
    }

    void add(mark& m) noexcept { m.next_ = std::exchange(marks, &m); }
    void remove(mark& m) noexcept {
        mark** place = &marks;
        while (*place != nullptr && *place != &m) place = &(*place)->next_;
        if (*place != nullptr) *place = m.next_;
    }
    template <class Wanted>
    bool has_mark(const void* key, Wanted wanted) const noexcept {
        for (const mark* each = marks; each != nullptr; each = each->next_)
            if (each->key_ == key && wanted(each->thread_)) return true;
        return false;
    }
};

namespace {

constinit bucket table[bucket_count];

bucket& bucket_of(const void* key) noexcept { return table[bucket_index(key)]; }

const void* this_thread() noexcept { return &own_thread_id; }

// Held for a few instructions. Not a libc lock: those are what it serves.
class bucket_guard {
  public:
    explicit bucket_guard(bucket& b) noexcept : bucket_(b) { lock(); }
    ~bucket_guard() {
        bucket_.holder.store(nullptr);
        // For whom it was meant is not known: all look.
        while (bucket_.missed.load() && bucket_.missed.exchange(false)) {
            lock();
            bucket_.tell_everyone();
            bucket_.holder.store(nullptr);
        }
    }
    bucket_guard(const bucket_guard&) = delete;
    bucket_guard& operator=(const bucket_guard&) = delete;

  private:
    void lock() noexcept {
        note_use();
        const void* nobody = nullptr;
        for (int tries = 1; !bucket_.holder.compare_exchange_weak(nobody, this_thread()); ++tries) {
            nobody = nullptr;
            if (tries % 64 == 0) sched_yield();
        }
    }

    bucket& bucket_;
};

// A signal handler has interrupted the calling thread while it held the bucket.
bool interrupts_holder(bucket& b) noexcept {
    if (b.holder.load() != this_thread()) return false;
    b.missed = true;
    return true;
}

void forget_scheduler(const scheduler* s) noexcept {
    if (!in_use) return;
    for (bucket& each : table) {
        const bucket_guard guard(each);
        each.forget(s);
    }
}

}  // namespace

// Whoever waited is a fiber of the parent.
void forget_parents_parking() noexcept {
    if (own_thread_id != 0) own_thread_id = 0;
    if (!in_use) return;
    for (std::size_t i = 0; i != bucket_count; ++i) {
        table[i].holder = nullptr;
        table[i].missed = false;
        table[i].firsts = nullptr;
        table[i].marks = nullptr;
        parked_near[i] = 0;
    }
    parked_anywhere = 0;
}

parked::parked(const void* key) noexcept : key_(key) {
    bucket& b = bucket_of(key);
    count(key, 1);
    const bucket_guard guard(b);
    b.append(*this);
}

parked::~parked() {
    bucket& b = bucket_of(key_);
    const bucket_guard guard(b);
    if (!queued_) return;
    b.remove(*this);
    count(key_, -1);
    if (!woken_ && !passes_on_) return;
    if (parked* const next = *b.place_of(key_)) b.tell(*next);
}

bool parked::is_first() noexcept {
    const bucket_guard guard(bucket_of(key_));
    woken_ = false;
    return bucket::is_first(*this);
}

bool parked::is_among_own() const noexcept {
    bucket& b = bucket_of(key_);
    const bucket_guard guard(b);
    const parked* const first = *b.place_of(key_);
    return first == nullptr || !bucket::is_mixed(*first);
}

mark::mark(const void* key) noexcept : key_(key), thread_(thread_id()) {
    bucket& b = bucket_of(key);
    const bucket_guard guard(b);
    b.add(*this);
}

mark::~mark() {
    bucket& b = bucket_of(key_);
    const bucket_guard guard(b);
    b.remove(*this);
}

bool is_marked(const void* key, pid_t by) noexcept {
    bucket& b = bucket_of(key);
    const bucket_guard guard(b);
    return b.has_mark(key, [by](pid_t thread) { return thread == by; });
}

bool is_marked(const void* key) noexcept {
    bucket& b = bucket_of(key);
    const bucket_guard guard(b);
    return b.has_mark(key, [](pid_t) { return true; });
}

pid_t ask_thread_id() noexcept { return static_cast<pid_t>(syscall(SYS_gettid)); }

void wake_slowly(const void* key, told whom, bool may_interrupt) noexcept {
    bucket& b = bucket_of(key);
    if (may_interrupt && interrupts_holder(b)) return;
    const bucket_guard guard(b);
    parked* const first = *b.place_of(key);
    if (first == nullptr) return;
    if (whom == told::all)
        b.tell_queue(*first, may_interrupt);
    else
        b.tell(*first, may_interrupt);
}

void grant_slowly(const void* key, told whom) noexcept {
    bucket& b = bucket_of(key);
    const bucket_guard guard(b);
    while (parked* const first = *b.place_of(key)) {
        b.grant_first(*first);
        if (whom == told::one) return;
    }
}

std::uint32_t grant_some(const void* key, std::uint32_t most) noexcept {
    bucket& b = bucket_of(key);
    if (interrupts_holder(b)) return 0;
    const bucket_guard guard(b);
    std::uint32_t granted = 0;
    for (; granted != most; ++granted) {
        parked* const first = *b.place_of(key);
        if (first == nullptr) break;
        b.grant_first(*first, /*may_interrupt=*/true);
    }
    return granted;
}

std::uint32_t count_parked(const void* key) noexcept {
    bucket& b = bucket_of(key);
    const bucket_guard guard(b);
    return bucket::length_of(*b.place_of(key));
}

void prepare_parking() noexcept { at_scheduler_end = &forget_scheduler; }

}  // namespace ramie::monkey::detail
