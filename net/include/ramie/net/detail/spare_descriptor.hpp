// A descriptor held in reserve: given up for a moment when no other can be had.
#pragma once

namespace ramie::net::detail {

class spare_descriptor {
  public:
    spare_descriptor() noexcept { take(); }
    ~spare_descriptor() { give_up(); }
    spare_descriptor(const spare_descriptor&) = delete;
    spare_descriptor& operator=(const spare_descriptor&) = delete;

    // Tries to have one. Never suspends.
    void take() noexcept;

    // Leaves its number to whoever needs it. Never suspends.
    void give_up() noexcept;

  private:
    int fd_ = -1;
};

}  // namespace ramie::net::detail
