# SPDX-License-Identifier: Apache-2.0
# What a cross build (presets fw-*) makes: the images, and nothing for the host. The lists of common/wire and firmware find their functions
# here, which declare the host's libraries without building them.
include_guard(GLOBAL)

function(tml_library name)
  cmake_parse_arguments(A "ASIO" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC EXCLUDE_FROM_ALL ${A_SOURCES})
endfunction()

find_program(TML_CCACHE ccache)
if(TML_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TML_CCACHE})
endif()

enable_testing()
add_subdirectory(${CMAKE_SOURCE_DIR}/common/wire ${CMAKE_BINARY_DIR}/common/wire)
add_subdirectory(${CMAKE_SOURCE_DIR}/firmware ${CMAKE_BINARY_DIR}/firmware)
