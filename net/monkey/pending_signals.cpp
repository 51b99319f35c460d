#include "pending_signals.hpp"

#include <sys/signalfd.h>

#include "connection.hpp"

namespace ramie::monkey::detail {

pending_signals::~pending_signals() {
    if (fd_ < 0) return;
    const int saved = errno;
    note_closing(fd_);
    real::close(fd_);
    errno = saved;
}

void pending_signals::watch(watch_list& places, const sigset_t& wanted) noexcept {
    if (fd_ < 0) {
        fd_ = real::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd_ >= 0) note_created(fd_, descriptor_kind::pipe, SFD_NONBLOCK);
    }
    if (fd_ >= 0)
        places.add(fd_, direction::read);
    else
        places.look_again();
}

void pending_signals::watch_opened(watch_list& places, const sigset_t* mask) noexcept {
    if (mask == nullptr) return;
    sigset_t opened{};
    pthread_sigmask(SIG_BLOCK, nullptr, &opened);
    bool is_any = false;
    for (int each = 1; each < NSIG; ++each) {
        if (sigismember(mask, each) == 1) sigdelset(&opened, each);
        is_any = is_any || sigismember(&opened, each) == 1;
    }
    if (is_any) watch(places, opened);
}

bool run_handlers_of(const sigset_t* mask) noexcept {
    const timespec none{};
    const signals_are_own own(mask);
    return mask != nullptr && real::ppoll(nullptr, 0, &none, mask) < 0 && errno == EINTR;
}

}  // namespace ramie::monkey::detail
