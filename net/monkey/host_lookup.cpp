#include "host_lookup.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "calls.hpp"
#include "question_key.hpp"
#include "ramie/detail/questions.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr std::size_t alignment = alignof(std::max_align_t);

std::size_t misalignment_of(const char* p) noexcept {
    return reinterpret_cast<std::uintptr_t>(p) % alignment;
}

class host_answer final : public answer_base {
  public:
    host_answer(std::size_t size, std::size_t misalignment)
        : memory_(new char[size + alignment]), begin_(memory_.get() + misalignment), size_(size) {}

    void ask(const host_call& call) {
        hostent* result = nullptr;
        code_ = call(&entry_, begin_, size_, &result, &host_error_);
        error_number_ = errno;
        found_ = result != nullptr;
        if (found_)
            kept_as = worth::a_success;
        else if (host_error_ == HOST_NOT_FOUND || host_error_ == NO_DATA)
            kept_as = worth::a_failure;
    }

    int give(hostent* entry, char* buffer, hostent** found, int* host_error) const noexcept {
        *host_error = host_error_;
        *found = nullptr;
        errno = error_number_;
        if (!found_) return code_;
        std::memcpy(buffer, begin_, size_);
        *entry = entry_;
        const std::ptrdiff_t offset = buffer - begin_;
        move(entry->h_name, offset);
        move_all(entry->h_aliases, offset);
        move_all(entry->h_addr_list, offset);
        *found = entry;
        return code_;
    }

  private:
    // What does not lie in the buffer is libc's own, and stays.
    template <class T>
    void move(T*& pointer, std::ptrdiff_t offset) const noexcept {
        const auto* const at = reinterpret_cast<const char*>(pointer);
        if (at >= begin_ && at < begin_ + size_)
            pointer = reinterpret_cast<T*>(const_cast<char*>(at) + offset);
    }
    void move_all(char**& list, std::ptrdiff_t offset) const noexcept {
        if (list == nullptr) return;
        move(list, offset);
        for (char** each = list; *each != nullptr; ++each) move(*each, offset);
    }

    std::unique_ptr<char[]> memory_;  // aligned as much as anything needs
    char* begin_;
    std::size_t size_;
    hostent entry_{};
    bool found_ = false;
    int code_ = 0;
    int host_error_ = 0;
    int error_number_ = 0;
};

int fail(int error, int why, hostent** found, int* host_error) noexcept {
    *found = nullptr;
    *host_error = why;
    errno = error;
    return error;
}

}  // namespace

int look_up_host(const std::string& key, const host_call& call, hostent* entry, char* buffer,
                 std::size_t size, hostent** found, int* host_error) noexcept {
    try {
        const std::size_t misalignment = misalignment_of(buffer);
        const asked asked = ask(question_key(key).add(size).add(misalignment).bytes(), [=] {
            auto answer = std::make_shared<host_answer>(size, misalignment);
            answer->ask(call);
            return answer;
        });
        if (asked.answer != nullptr)
            return static_cast<const host_answer&>(*asked.answer)
                .give(entry, buffer, found, host_error);
        if (asked.reason == wake::timed_out) return fail(EAGAIN, TRY_AGAIN, found, host_error);
        if (asked.reason == wake::interrupted)
            return fail(wait_error(asked.reason), NETDB_INTERNAL, found, host_error);
    } catch (...) {  // no memory
    }
    return fail(ENOMEM, NETDB_INTERNAL, found, host_error);
}

}  // namespace ramie::monkey::detail
