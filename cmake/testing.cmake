# What the tests and the examples, which are tests too, have in common.
enable_testing()

# Seconds that one test may take.
set(RAMIE_TEST_TIMEOUT 30)
if(RAMIE_SANITIZE)
  math(EXPR RAMIE_TEST_TIMEOUT "4 * ${RAMIE_TEST_TIMEOUT}")
endif()
