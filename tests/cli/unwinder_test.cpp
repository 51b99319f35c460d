// The calls of libgcc_s.so that libramie-preload.so is linked with, in a program that is linked
// like it.

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>
#include <unwind.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

bool is_loaded() {
    void* const library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_NOLOAD);
    if (library != nullptr) dlclose(library);
    return library != nullptr;
}

struct noted {
    noted(std::string& log, char what) : log_(log), what_(what) {}
    ~noted() { log_ += what_; }
    noted(const noted&) = delete;
    noted& operator=(const noted&) = delete;

    std::string& log_;
    const char what_;
};

[[gnu::noinline]] void fail_below(int depth, std::string& log) {
    const noted here(log, static_cast<char>('0' + depth));
    if (depth == 0) throw std::runtime_error("at the bottom");
    fail_below(depth - 1, log);
}

TEST(unwinder, is_loaded_by_the_first_exception) {
    EXPECT_FALSE(is_loaded());
    EXPECT_THROW(throw std::runtime_error("the first"), std::runtime_error);
    EXPECT_TRUE(is_loaded());
}

TEST(unwinder, destroys_what_is_on_the_way) {
    std::string log;
    try {
        fail_below(3, log);
    } catch (const std::exception& e) {
        log += e.what();
    }
    EXPECT_EQ(log, "0123at the bottom");
}

TEST(unwinder, throws_again_what_was_caught) {
    std::string log;
    std::exception_ptr kept;
    try {
        try {
            fail_below(1, log);
        } catch (...) {
            kept = std::current_exception();
            throw;
        }
    } catch (const std::runtime_error&) {
        log += '!';
    }
    EXPECT_EQ(log, "01!");
    EXPECT_THROW(std::rethrow_exception(kept), std::runtime_error);
}

TEST(unwinder, lets_a_cancelled_thread_destroy_what_it_has) {
    std::pair<std::string, int> shared;
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    shared.second = ends[0];
    pthread_t thread{};
    const auto body = [](void* given) -> void* {
        auto& [log, fd] = *static_cast<std::pair<std::string, int>*>(given);
        const noted here(log, 'x');
        char byte;
        return read(fd, &byte, 1) == 0 ? given : nullptr;
    };
    ASSERT_EQ(pthread_create(&thread, nullptr, body, &shared), 0);
    ASSERT_EQ(pthread_cancel(thread), 0);
    void* result = nullptr;
    ASSERT_EQ(pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED);
    EXPECT_EQ(shared.first, "x");
    close(ends[0]);
    close(ends[1]);
}

TEST(unwinder, counts_frames) {
    int frames = 0;
    const auto count = [](_Unwind_Context* context, void* into) {
        if (_Unwind_GetIP(context) != 0) ++*static_cast<int*>(into);
        return _URC_NO_REASON;
    };
    _Unwind_Backtrace(count, &frames);
    EXPECT_GT(frames, 3);
}

}  // namespace
