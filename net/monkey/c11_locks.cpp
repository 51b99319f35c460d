// The locks of <threads.h>, which are pthread ones under other names; libc's own would pass by the
// patch.

#include <pthread.h>
#include <threads.h>

#include <cerrno>

namespace {

static_assert(sizeof(mtx_t) <= sizeof(pthread_mutex_t) && sizeof(cnd_t) <= sizeof(pthread_cond_t));

int result_of(int error) noexcept {
    switch (error) {
        case 0:
            return thrd_success;
        case EBUSY:
            return thrd_busy;
        case ETIMEDOUT:
            return thrd_timedout;
        case ENOMEM:
            return thrd_nomem;
        default:
            return thrd_error;
    }
}

pthread_mutex_t* mutex_in(mtx_t* m) noexcept { return reinterpret_cast<pthread_mutex_t*>(m); }
pthread_cond_t* condition_in(cnd_t* c) noexcept { return reinterpret_cast<pthread_cond_t*>(c); }

}  // namespace

extern "C" {

int mtx_lock(mtx_t* m) { return result_of(pthread_mutex_lock(mutex_in(m))); }
int mtx_trylock(mtx_t* m) { return result_of(pthread_mutex_trylock(mutex_in(m))); }
int mtx_timedlock(mtx_t* m, const timespec* end) {
    return result_of(pthread_mutex_timedlock(mutex_in(m), end));
}
int mtx_unlock(mtx_t* m) { return result_of(pthread_mutex_unlock(mutex_in(m))); }

int cnd_wait(cnd_t* c, mtx_t* m) {
    return result_of(pthread_cond_wait(condition_in(c), mutex_in(m)));
}
int cnd_timedwait(cnd_t* c, mtx_t* m, const timespec* end) {
    return result_of(pthread_cond_timedwait(condition_in(c), mutex_in(m), end));
}
int cnd_signal(cnd_t* c) { return result_of(pthread_cond_signal(condition_in(c))); }
int cnd_broadcast(cnd_t* c) { return result_of(pthread_cond_broadcast(condition_in(c))); }

void call_once(once_flag* flag, void (*f)()) {
    pthread_once(reinterpret_cast<pthread_once_t*>(flag), f);
}
}
