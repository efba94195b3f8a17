# SPDX-License-Identifier: Apache-2.0
# Compiles freestanding sources for Cortex-M4F beside the host build, so that what runs on a board is compiled from the first day.
include_guard(GLOBAL)

find_program(TML_ARM_CXX arm-none-eabi-g++ DOC "C++ cross compiler for TML_ARM")
if(NOT TML_ARM_CXX)
  message(FATAL_ERROR "TML_ARM=ON needs arm-none-eabi-g++ (Debian: gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib), "
                      "or configure with -DTML_ARM=OFF")
endif()

set(TML_ARM_FLAGS -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -std=c++20 -Os -ffunction-sections -fdata-sections
    -fno-exceptions -fno-rtti -fno-threadsafe-statics -Wall -Wextra -Werror
    CACHE INTERNAL "Flags for the board, seen from every folder that includes this file")

# Third-party headers are copied one by one: /usr/include as a whole would hide newlib's.
function(tml_arm_copy_headers from pattern)
  file(GLOB_RECURSE headers RELATIVE ${from} ${from}/${pattern})
  foreach(header ${headers})
    configure_file(${from}/${header} ${CMAKE_BINARY_DIR}/arm-include/${header} COPYONLY)
  endforeach()
  if(NOT headers)
    message(FATAL_ERROR "TML_ARM: no ${pattern} in ${from}")
  endif()
endfunction()

# tml_arm_objects(NAME SOURCES a.cpp... [HEADERS a.hpp...] [SODIUM] [OPTIONS -f...])
# Target arm_NAME (part of ALL) and test arm_NAME (label unit): every source, and every header on its own, compiles for the board.
# The objects are in ${CMAKE_BINARY_DIR}/arm/NAME. SODIUM makes libsodium's headers available.
function(tml_arm_objects name)
  cmake_parse_arguments(A "SODIUM" "" "SOURCES;HEADERS;OPTIONS" ${ARGN})
  find_path(TML_EXPECTED_DIR tl/expected.hpp REQUIRED)
  tml_arm_copy_headers(${TML_EXPECTED_DIR} tl/expected.hpp)
  if(A_SODIUM)
    find_path(TML_SODIUM_DIR sodium.h REQUIRED)
    tml_arm_copy_headers(${TML_SODIUM_DIR} sodium.h)
    tml_arm_copy_headers(${TML_SODIUM_DIR} sodium/*.h)
  endif()

  set(folder ${CMAKE_BINARY_DIR}/arm/${name})
  set(units)
  foreach(source ${A_SOURCES})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    list(APPEND units ${source})
  endforeach()
  foreach(header ${A_HEADERS})
    cmake_path(ABSOLUTE_PATH header BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${header})
    string(REPLACE "/" "_" flat ${relative})
    file(CONFIGURE OUTPUT ${folder}/headers/${flat}.cpp CONTENT "#include \"${relative}\"\n" @ONLY)
    list(APPEND units ${folder}/headers/${flat}.cpp)
  endforeach()

  set(objects)
  foreach(unit ${units})
    if(unit MATCHES "^${folder}")
      file(RELATIVE_PATH relative ${folder} ${unit})
    else()
      file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${unit})
    endif()
    set(object ${folder}/${relative}.o)
    cmake_path(GET object PARENT_PATH parent)
    file(MAKE_DIRECTORY ${parent})
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${TML_ARM_CXX} ${TML_ARM_FLAGS} ${A_OPTIONS} -I${CMAKE_SOURCE_DIR}
              -isystem ${CMAKE_BINARY_DIR}/arm-include -MD -MF ${object}.d -c ${unit} -o ${object}
      DEPENDS ${unit}
      DEPFILE ${object}.d
      COMMENT "Cortex-M4F ${relative}"
      VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  add_custom_target(arm_${name} ALL DEPENDS ${objects})
  add_test(NAME arm_${name} COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target arm_${name})
  # Two builds in one folder at a time would trip over each other.
  set_tests_properties(arm_${name} PROPERTIES LABELS unit TIMEOUT 600 RUN_SERIAL TRUE)
endfunction()
