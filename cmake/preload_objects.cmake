# ramie_add_preload_objects(TARGET): the sources of TARGET once more, as TARGET_preload, position
# independent. libramie-preload.so is made of them, while programs link code that need not be.
# Call it where TARGET is defined: the properties of its source files are known only there.
function(ramie_add_preload_objects target)
  if(NOT RAMIE_BUILD_LAUNCHER)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  get_target_property(options ${target} COMPILE_OPTIONS)
  get_target_property(libraries ${target} LINK_LIBRARIES)
  add_library(${target}_preload OBJECT ${sources})
  if(options)
    target_compile_options(${target}_preload PRIVATE ${options})
  endif()
  target_compile_features(${target}_preload PRIVATE cxx_std_20)
  target_include_directories(${target}_preload PRIVATE
    $<TARGET_PROPERTY:${target},INTERFACE_INCLUDE_DIRECTORIES>)
  target_link_libraries(${target}_preload PRIVATE ${libraries})
  target_compile_definitions(${target}_preload PRIVATE
    $<TARGET_PROPERTY:${target},COMPILE_DEFINITIONS>)
  set_target_properties(${target}_preload PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()
