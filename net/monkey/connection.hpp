// Making and ending descriptors: what the table must know of, and what may wait.
#pragma once

#include "calls.hpp"

namespace ramie::monkey::detail {

int accept_connection(int fd, sockaddr* address, socklen_t* length, int flags) noexcept;
int connect_to(int fd, const sockaddr* address, socklen_t length) noexcept;

// After calls that made a descriptor, or gave one another name.
void note_socket(int fd, int domain, int type, int protocol) noexcept;
void note_copy(int from, int to) noexcept;

// Before one loses its number.
void note_closing(int fd) noexcept;

// From before that until after it. Who waits is told before: the number may be another file's at
// once. And who begins to wait meanwhile, of another loop, is refused: nobody would tell it.
class closing {
  public:
    explicit closing(int fd) noexcept {
        if (!owns_table()) return;
        facts_ = known_facts(fd);
        if (facts_ != nullptr) facts_->is_closing = true;
        note_closing(fd);
    }
    ~closing() {
        if (facts_ != nullptr) facts_->is_closing = false;
    }
    closing(const closing&) = delete;
    closing& operator=(const closing&) = delete;

  private:
    descriptor_facts* facts_ = nullptr;
};

// After a change of an option that the table remembers.
void note_option(int fd, int level, int name, const void* value) noexcept;

}  // namespace ramie::monkey::detail
