# What `cmake --install` lays down, so that find_package(ramie CONFIG) gives ramie::runtime,
# ramie::net and ramie::monkey.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ramie)

install(TARGETS ramie_runtime ramie_net ramie_monkey ramie_monkey_objects
  EXPORT ramie
  FILE_SET HEADERS)
install(EXPORT ramie NAMESPACE ramie:: FILE ramie-targets.cmake DESTINATION ${package_dir})

configure_package_config_file(cmake/ramie-config.cmake.in ramie-config.cmake
  INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(ramie-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/ramie-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/ramie-config-version.cmake
  DESTINATION ${package_dir})
