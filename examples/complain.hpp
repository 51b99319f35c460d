// For main(), which lets no exception out.
//
//     int main() try {
//         return ramie::run(work);
//     } catch (const std::exception& error) {
//         return complain(error);
//     }
#pragma once

#include <cstdio>
#include <exception>

inline int complain(const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
