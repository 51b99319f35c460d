#include "overflow_handler.hpp"

#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <system_error>

namespace ramie::detail {
namespace {

// Written before the handler can run, never after.
running_stack_query describe_running_stack = nullptr;
struct sigaction previous_segv;
struct sigaction previous_bus;

const struct sigaction& previous_of(int signal) {
    return signal == SIGBUS ? previous_bus : previous_segv;
}

// One line of text, cut at its size: the heap and stdio are out of bounds in a signal handler.
class line {
  public:
    line& operator<<(std::string_view text) {
        text = text.substr(0, text_.size() - used_);
        std::copy(text.begin(), text.end(), text_.begin() + used_);
        used_ += text.size();
        return *this;
    }

    line& operator<<(std::uint64_t number) {
        std::array<char, 20> digits;
        const auto end = std::to_chars(digits.begin(), digits.end(), number).ptr;
        return *this << std::string_view(digits.begin(), end);
    }

    // A name with a line end in it must not make two lines.
    line& quoted(const char* name) {
        *this << "\"";
        for (std::size_t at = 0; name[at] != '\0' && at != longest_name; ++at) {
            const bool printable = static_cast<unsigned char>(name[at]) >= ' ';
            *this << std::string_view(printable ? &name[at] : "?", 1);
        }
        return *this << "\"";
    }

    // The plain system call: write() may be the patched one, which can park the fiber.
    void print() const { ::syscall(SYS_write, STDERR_FILENO, text_.data(), used_); }

  private:
    static constexpr std::size_t longest_name = 128;
    std::array<char, 512> text_;
    std::size_t used_ = 0;
};

void report(const running_stack& stack) {
    const auto guard = static_cast<std::size_t>(stack.guard_end - stack.guard_begin);
    line text;
    text << "ramie: stack overflow in ";
    if (stack.is_loop)
        text << "the loop (a posted function or an Asio handler)";
    else
        text << "fiber " << stack.fiber_id;
    if (stack.name != nullptr && *stack.name != '\0') (text << " ").quoted(stack.name);
    text << ": its stack is " << stack.stack_size / 1024 << " KiB ("
         << (stack.stack_size - guard) / 1024 << " KiB usable above the guard); "
         << (stack.is_loop ? "spawn a fiber for what needs more\n"
                           : "give it more with fiber_options{.stack_size = ...} or "
                             "RAMIE_STACK_SIZE\n");
    text.print();
}

// As the kernel would have delivered it, had we never come.
void pass_on(int signal, siginfo_t* info, void* context) {
    const struct sigaction& previous = previous_of(signal);
    const bool sent_by_a_process = info->si_code <= 0;
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
        previous.sa_sigaction(signal, info, context);
    } else if (previous.sa_handler == SIG_IGN && sent_by_a_process) {
        return;
    } else if (previous.sa_handler == SIG_IGN || previous.sa_handler == SIG_DFL) {
        ::sigaction(signal, &previous, nullptr);
        if (sent_by_a_process) ::raise(signal);  // a fault comes again by itself
    } else {
        previous.sa_handler(signal);
    }
}

void on_fault(int signal, siginfo_t* info, void* context) {
    const int error = errno;
    const auto* address = static_cast<const std::byte*>(info->si_addr);
    running_stack stack;
    if (info->si_code > 0 && describe_running_stack(stack) && address >= stack.guard_begin &&
        address < stack.guard_end) {
        report(stack);
        // The fault comes again, for whoever was there first: a core dump, or a crash reporter.
        ::sigaction(signal, &previous_of(signal), nullptr);
    } else {
        pass_on(signal, info, context);
    }
    errno = error;
}

void install(int signal, struct sigaction& previous) {
    ::sigaction(signal, nullptr, &previous);
    // The previous handler, which ours may call, keeps the mask and flags that it asked for.
    struct sigaction action = previous;
    action.sa_sigaction = &on_fault;
    action.sa_flags = (previous.sa_flags & (SA_NODEFER | SA_RESTART)) | SA_SIGINFO | SA_ONSTACK;
    ::sigaction(signal, &action, nullptr);
}

std::size_t round_up(std::size_t size, std::size_t page) { return (size + page - 1) / page * page; }

}  // namespace

void install_overflow_handler(running_stack_query query) {
    [[maybe_unused]] static const bool installed = [query] {
        describe_running_stack = query;
        install(SIGSEGV, previous_segv);
        install(SIGBUS, previous_bus);
        return true;
    }();
}

alternate_signal_stack::alternate_signal_stack() {
    stack_t current{};
    ::sigaltstack(nullptr, &current);
    if ((current.ss_flags & SS_DISABLE) == 0) return;

    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    // The kernel's least grows with the vector registers of the processor.
    const std::size_t size =
        round_up(std::max<std::size_t>(64 * 1024, 4 * ::getauxval(AT_MINSIGSTKSZ)), page);
    mapped_ = page + size;
    void* mapping =
        ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        throw std::system_error(errno, std::generic_category(), "ramie: mmap of a signal stack");
    mapping_ = static_cast<std::byte*>(mapping);
    const stack_t ours{mapping_ + page, 0, size};
    if (::mprotect(mapping_, page, PROT_NONE) != 0 || ::sigaltstack(&ours, nullptr) != 0) {
        const int error = errno;
        ::munmap(mapping_, mapped_);
        throw std::system_error(error, std::generic_category(), "ramie: a guarded signal stack");
    }
}

alternate_signal_stack::~alternate_signal_stack() {
    if (mapping_ == nullptr) return;
    stack_t current{};
    ::sigaltstack(nullptr, &current);
    const auto* begin = static_cast<const std::byte*>(current.ss_sp);
    const bool still_ours = begin > mapping_ && begin < mapping_ + mapped_;
    const stack_t none{nullptr, SS_DISABLE, 0};
    if (still_ours && ::sigaltstack(&none, nullptr) != 0) return;  // a handler runs on it
    ::munmap(mapping_, mapped_);
}

}  // namespace ramie::detail
