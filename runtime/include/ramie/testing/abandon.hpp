// Ends a piece of code at each place where it can be ended, and looks at what it leaves behind.
//
//     ramie::testing::kill_everywhere([] {              // killed at its 1st suspension, in the
//         auto peer = connect(server);                  // next run at its 2nd, and so on, until
//         peer.write_all(request);                      // it comes to its end
//         peer.read_exactly(reply);
//     });
//
// After each run the fibers that it started have ended, its timers, stacks and descriptors are
// gone, and what `after` asks holds. Each run has a scheduler and a virtual clock of its own, of
// which the body is a fiber; the other fibers run in order.
#pragma once

#include <cstddef>
#include <functional>

namespace ramie::testing {

// Kills the body. Returns at how many suspensions. Throws std::runtime_error that names the
// suspension when something was left behind, the body ended with an exception of its own, did not
// end within 100,000 switches, has more than 2,000 suspensions, or `after`, which is called on the
// main fiber when all fibers have settled, has thrown; std::logic_error when it is not called from
// the main fiber. Never suspends: the fibers around it stand still meanwhile.
std::size_t kill_everywhere(const std::function<void()>& body,
                            const std::function<void()>& after = {});

// The same, but a timeout_expired is thrown there, as by a scope around the body; it may catch that
// and go on. Never suspends, as kill_everywhere().
std::size_t time_out_everywhere(const std::function<void()>& body,
                                const std::function<void()>& after = {});

}  // namespace ramie::testing
