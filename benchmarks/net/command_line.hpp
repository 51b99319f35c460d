// What every echo server is told and says: its port, and "listening PORT" once it listens.
//
//     const std::uint16_t port = port_argument(argc, argv);
//     ...
//     say_listening(bound_port);
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// Ends the program when it is not called as it should be.
inline std::uint16_t port_argument(int argc, char** argv) {
    if (argc != 3 || std::strcmp(argv[1], "--port") != 0) {
        std::fprintf(stderr, "usage: %s --port PORT\n", argv[0]);
        std::exit(2);
    }
    return static_cast<std::uint16_t>(std::atoi(argv[2]));
}

inline void say_listening(std::uint16_t port) {
    std::printf("listening %d\n", port);
    std::fflush(stdout);
}
