// A library that brings the patched calls into a program without them: too late for that program.

#include "ramie/monkey.hpp"
#include "ramie/run.hpp"

extern "C" void patch_and_run() {
    ramie::monkey::patch_all();
    ramie::run([] {});
}
