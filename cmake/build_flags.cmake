# Every flag of our own build, in one target that is never installed:
# target_link_libraries(x PRIVATE $<BUILD_INTERFACE:ramie_build_flags>).
add_library(ramie_build_flags INTERFACE)

target_compile_options(ramie_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
  $<$<BOOL:${RAMIE_WERROR}>:-Werror>
  # A large frame touches every page on its way down, so it cannot jump over a fiber's guard page.
  -fstack-clash-protection
  # Position independent, but nobody replaces our functions one by one: they may be inlined.
  -fno-semantic-interposition
  # Profilers walk a fiber's stack by its frame pointers. Debuggers and our reports do not need
  # them, and they are 5 % of the instructions of an echo request.
  $<$<NOT:$<CONFIG:Release,MinSizeRel>>:-fno-omit-frame-pointer>)

# Lazy binding runs the dynamic linker on the fiber's stack, several KiB deep, at the first call.
target_link_options(ramie_build_flags INTERFACE -Wl,-z,now)

# g++ 12 at -O3 takes "text" + std::string for a copy over itself (its bug 105651).
target_compile_options(ramie_build_flags INTERFACE
  $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<CONFIG:Release>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)

if(RAMIE_SANITIZE)
  list(JOIN RAMIE_SANITIZE "," sanitizers)
  target_compile_options(ramie_build_flags INTERFACE -fsanitize=${sanitizers})
  target_link_options(ramie_build_flags INTERFACE -fsanitize=${sanitizers})
  # g++ loses track of Beast's optionals among the checks.
  target_compile_options(ramie_build_flags INTERFACE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>)
endif()
if("thread" IN_LIST RAMIE_SANITIZE)
  target_compile_options(ramie_build_flags INTERFACE
    # At -O0 ThreadSanitizer crashes when fibers switch (g++ 12 and clang 14).
    $<$<NOT:$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>:-O1>
    # g++ warns that it cannot follow the fences in Asio's headers.
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-tsan>)
endif()
