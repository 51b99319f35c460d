#include "ramie/run.hpp"

#include <stdexcept>

#include "diagnostics.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

namespace {

// The scheduler of one run(): unwinds what is left, however main ended.
class program {
  public:
    explicit program(const run_options& options)
        : grace_(options.shutdown_grace), scheduler_(scheduler::get()) {
        if (scheduler_.running || current_fiber != &scheduler_.main_fiber())
            throw std::logic_error("ramie::run: this thread is inside of a run() or a fiber");
        scheduler_.running = true;
    }
    ~program() {
        if (!scheduler_.shut_down(deadline(grace_))) report_abandoned(scheduler_.describe_fibers());
        scheduler::destroy();
    }
    program(const program&) = delete;
    program& operator=(const program&) = delete;

  private:
    std::chrono::nanoseconds grace_;
    scheduler& scheduler_;
};

int run_until_exit(const std::function<int()>& main) {
    try {
        return main();
    } catch (const system_exit& e) {
        return e.code;
    } catch (const fiber_exit&) {
        return 0;
    }
}

}  // namespace

int run_main(const std::function<int()>& main, const run_options& options) {
    int code = 0;
    std::exception_ptr error;
    {
        const program frame(options);
        // Caught here and not on the way out: what unwinds the others must not itself unwind.
        try {
            code = run_until_exit(main);
        } catch (...) {
            error = std::current_exception();
        }
    }
    if (error != nullptr) std::rethrow_exception(error);
    return code;
}

}  // namespace ramie::detail
