// What tells one question to the resolver from another: a call and its arguments, as bytes.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

namespace ramie::monkey::detail {

class question_key {
  public:
    explicit question_key(std::string_view call) : bytes_(call) { bytes_ += '\0'; }

    question_key& add(std::string_view part) {
        add(part.size());
        bytes_ += part;
        return *this;
    }
    // A null pointer is not an empty text.
    question_key& add(const char* text) {
        add(text != nullptr);
        return text == nullptr ? *this : add(std::string_view(text));
    }
    template <class T>
    requires std::is_arithmetic_v<T> question_key& add(T value) {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
        return *this;
    }
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

  private:
    std::string bytes_;
};

}  // namespace ramie::monkey::detail
