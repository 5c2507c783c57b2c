# Settings that every target shares; linked by name instead of set globally.
add_library(slipway_settings INTERFACE)
target_compile_features(slipway_settings INTERFACE cxx_std_23)
target_include_directories(slipway_settings INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_compile_options(slipway_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  # Debian's headers live in /usr/include; a designated initializer may leave the defaults alone.
  # libstdc++ 12 uses what clang 19 calls deprecated.
  -Wno-deprecated-declarations
  -Wno-missing-field-initializers -Wno-missing-designated-field-initializers)
# Asio and Beast are compiled once (src/http/asio.cc), so every unit must agree on it.
target_compile_definitions(slipway_settings INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
target_link_options(slipway_settings INTERFACE -fuse-ld=lld-19)
option(SLIPWAY_WERROR "Warnings are errors" OFF)
if(SLIPWAY_WERROR)
  target_compile_options(slipway_settings INTERFACE -Werror)
endif()
option(SLIPWAY_FUZZERS "Build the libFuzzer targets (preset fuzz)" OFF)
set(SLIPWAY_SANITIZE "" CACHE STRING "address,undefined | thread | empty")
if(SLIPWAY_SANITIZE)
  target_compile_options(slipway_settings INTERFACE -fsanitize=${SLIPWAY_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(slipway_settings INTERFACE -fsanitize=${SLIPWAY_SANITIZE})
  # Recycled coroutine frames hide use-after-free from ASan.
  target_compile_definitions(slipway_settings INTERFACE BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
endif()

# slipway_module(<name> HEADERS ... SOURCES ... TESTS ... LINKS ...)
# One module = one static library slipway_<name>, and one test binary <name>_test, labelled unit and room:<name>.
# A module of headers and tests alone has no SOURCES.
function(slipway_module name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;TESTS;LINKS" ${ARGN})
  add_library(slipway_${name} STATIC ${ARG_SOURCES})
  target_sources(slipway_${name} PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/src" FILES ${ARG_HEADERS})
  target_link_libraries(slipway_${name} PUBLIC slipway_settings ${ARG_LINKS})
  if(BUILD_TESTING AND ARG_TESTS)
    add_executable(${name}_test ${ARG_TESTS})
    target_link_libraries(${name}_test PRIVATE slipway_${name} GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES LABELS "unit;room:${name}" TIMEOUT 120)
  endif()
endfunction()
