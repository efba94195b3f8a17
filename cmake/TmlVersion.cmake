# SPDX-License-Identifier: Apache-2.0
# The version that --version, the firmware's AT+INFO and the server's /healthz report.
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty --abbrev=10
                OUTPUT_VARIABLE TML_GIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT TML_GIT)
  set(TML_GIT "unknown")
endif()
configure_file(${CMAKE_SOURCE_DIR}/cmake/version.hpp.in ${CMAKE_BINARY_DIR}/generated/common/base/version.hpp @ONLY)
