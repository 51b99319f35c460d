#pragma once
// A table of scenarios, each played over every channel and by every call that it fits.
//
//     const oracle_case<receiver> cases[] = {{"waits_for_data", any, waits_for_data}, ...};
//     class receiving : public ::testing::TestWithParam<oracle_param<receiver>> {};
//     TEST_P(receiving, is_what_the_kernel_does) { compare(GetParam(), all_receivers); }
//     INSTANTIATE_TEST_SUITE_P(, receiving, all_params(cases, all_receivers), param_name);

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/kernel_oracle.hpp"

namespace ramie::test {

template <class Call>
struct oracle_case {
    const char* name;
    bool (*fits)(channel, Call);
    void (*prepare)(stage&, channel, Call);
};

template <class Call>
struct oracle_param {
    const oracle_case<Call>* played;
    channel over;
};

inline constexpr channel all_channels[] = {
    channel::tcp,           channel::unix_stream,   channel::pair, channel::udp,
    channel::unix_datagram, channel::datagram_pair, channel::pipe};

template <class Call, std::size_t N, std::size_t M>
auto all_params(const oracle_case<Call> (&cases)[N], const Call (&calls)[M]) {
    std::vector<oracle_param<Call>> params;
    for (const auto& each : cases)
        for (const channel c : all_channels)
            for (const Call call : calls)
                if (each.fits(c, call)) {
                    params.push_back({&each, c});
                    break;
                }
    return ::testing::ValuesIn(params);
}

template <class Call, std::size_t M>
void compare(const oracle_param<Call>& param, const Call (&calls)[M]) {
    for (const Call call : calls) {
        if (!param.played->fits(param.over, call)) continue;
        SCOPED_TRACE(name_of(call));
        expect_same_as_kernel([&](stage& s) { param.played->prepare(s, param.over, call); });
    }
}

template <class Call>
std::string param_name(const ::testing::TestParamInfo<oracle_param<Call>>& info) {
    return std::string(name_of(info.param.over)) + "_" + info.param.played->name;
}

// A scenario that is not about the channel.
struct named_scenario {
    const char* name;
    void (*prepare)(stage&);
};

inline std::string scenario_name(const ::testing::TestParamInfo<named_scenario>& info) {
    return info.param.name;
}

}  // namespace ramie::test
