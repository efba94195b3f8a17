# SPDX-License-Identifier: Apache-2.0
# Compiles and links for Cortex-M4F beside the host build, so that what runs on a board is built from the first day.
include_guard(GLOBAL)

find_program(TML_ARM_CXX arm-none-eabi-g++ DOC "C++ cross compiler for TML_ARM")
find_program(TML_ARM_CC arm-none-eabi-gcc DOC "C cross compiler for TML_ARM")
find_program(TML_ARM_SIZE arm-none-eabi-size DOC "Prints the size of an image for TML_ARM")
if(NOT TML_ARM_CXX OR NOT TML_ARM_CC)
  message(FATAL_ERROR "TML_ARM=ON needs arm-none-eabi-g++ (Debian: gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib), "
                      "or configure with -DTML_ARM=OFF")
endif()
include(TmlSodium)

set(TML_ARM_CPU -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16
    CACHE INTERNAL "The processor, for compiler and linker")
set(TML_ARM_FLAGS ${TML_ARM_CPU} -std=c++20 -Os -ffunction-sections -fdata-sections
    -fno-exceptions -fno-rtti -fno-threadsafe-statics -Wall -Wextra -Werror
    CACHE INTERNAL "C++ flags for the board, seen from every folder that includes this file")
set(TML_ARM_ASM_FLAGS ${TML_ARM_CPU} -x assembler-with-cpp CACHE INTERNAL "Assembler flags for the board")
# Others' C: their warnings are theirs.
set(TML_ARM_C_FLAGS ${TML_ARM_CPU} -std=gnu11 -Os -ffunction-sections -fdata-sections -w CACHE INTERNAL "C flags for the board")

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

function(tml_arm_sodium_headers)
  tml_find_sodium()
  tml_arm_copy_headers(${TML_SODIUM_ROOT}/include sodium.h)
  tml_arm_copy_headers(${TML_SODIUM_ROOT}/include sodium/*.h)
endfunction()

# One object of NAME from a C++ (.cpp), C (.c) or assembler (.S) source, by its path in the object's folder; appends it to tml_arm_out.
macro(tml_arm_object folder source relative)
  set(object ${folder}/${relative}.o)
  cmake_path(GET object PARENT_PATH parent)
  file(MAKE_DIRECTORY ${parent})
  if("${source}" MATCHES "\\.cpp$")
    set(compile ${TML_ARM_CXX} ${TML_ARM_FLAGS})
  elseif("${source}" MATCHES "\\.c$")
    set(compile ${TML_ARM_CC} ${TML_ARM_C_FLAGS})
  else()
    set(compile ${TML_ARM_CC} ${TML_ARM_ASM_FLAGS})
  endif()
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${compile} ${ARGN} -I${CMAKE_SOURCE_DIR}
            -isystem ${CMAKE_BINARY_DIR}/arm-include -MD -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source}
    DEPFILE ${object}.d
    COMMENT "Cortex-M4F ${relative}"
    VERBATIM)
  list(APPEND tml_arm_out ${object})
endmacro()

# tml_arm_objects(NAME SOURCES a.cpp b.S c.c... [HEADERS a.hpp...] [SODIUM] [OPTIONS -f...])
# Target arm_NAME (part of ALL) and test arm_NAME (label unit): every source, and every header on its own, compiles for the board.
# The objects are in ${CMAKE_BINARY_DIR}/arm/NAME, and tml_arm_image() links them by this NAME. SODIUM makes libsodium's headers
# available.
function(tml_arm_objects name)
  cmake_parse_arguments(A "SODIUM" "" "SOURCES;HEADERS;OPTIONS" ${ARGN})
  find_path(TML_EXPECTED_DIR tl/expected.hpp PATHS /usr/local/include /usr/include REQUIRED)
  tml_arm_copy_headers(${TML_EXPECTED_DIR} tl/expected.hpp)
  if(A_SODIUM)
    tml_arm_sodium_headers()
  endif()

  set(folder ${CMAKE_BINARY_DIR}/arm/${name})
  set(tml_arm_out)
  foreach(source ${A_SOURCES})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${source})
    tml_arm_object(${folder} ${source} ${relative} ${A_OPTIONS})
  endforeach()
  set_property(GLOBAL PROPERTY TML_ARM_OBJECTS_${name} ${tml_arm_out})
  foreach(header ${A_HEADERS})
    cmake_path(ABSOLUTE_PATH header BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${header})
    string(REPLACE "/" "_" flat ${relative})
    file(CONFIGURE OUTPUT ${folder}/headers/${flat}.cpp CONTENT "#include \"${relative}\"\n" @ONLY)
    tml_arm_object(${folder} ${folder}/headers/${flat}.cpp headers/${flat}.cpp ${A_OPTIONS})
  endforeach()
  add_custom_target(arm_${name} ALL DEPENDS ${tml_arm_out})
  add_test(NAME arm_${name} COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target arm_${name})
  # Two builds in one folder at a time would trip over each other.
  set_tests_properties(arm_${name} PROPERTIES LABELS unit TIMEOUT 600 RUN_SERIAL TRUE)
endfunction()

# The name `sodium` for tml_arm_image(): libsodium's listed sources.
function(tml_arm_sodium)
  get_property(there GLOBAL PROPERTY TML_ARM_OBJECTS_sodium)
  if(there)
    return()
  endif()
  tml_arm_sodium_headers()
  set(tml_arm_out)
  foreach(source ${TML_SODIUM_SOURCES})
    tml_arm_object(${CMAKE_BINARY_DIR}/arm/sodium ${TML_SODIUM_ROOT}/${source} ${source}
                   -DCONFIGURED=1 -DNATIVE_LITTLE_ENDIAN=1 -DHAVE_WEAK_SYMBOLS=1 -DHAVE_INLINE_ASM=1
                   -I${TML_SODIUM_ROOT}/include/sodium)
  endforeach()
  set_property(GLOBAL PROPERTY TML_ARM_OBJECTS_sodium ${tml_arm_out})
endfunction()

# tml_arm_image(NAME LIBRARIES wire fw_app... LINKER_SCRIPT x.ld [OUTPUT FILE] [OPTIONS -Wl,...])
# Target NAME (part of ALL): OUTPUT (${CMAKE_BINARY_DIR}/bin/NAME.elf when not given), linked from the objects of the tml_arm_objects()
# of these names; those that this configuration does not build (TML_ONLY) are left out, `sodium` is libsodium. Prints the sections' sizes.
function(tml_arm_image name)
  cmake_parse_arguments(A "" "LINKER_SCRIPT;OUTPUT" "LIBRARIES;OPTIONS" ${ARGN})
  if(NOT A_OUTPUT)
    set(A_OUTPUT ${CMAKE_BINARY_DIR}/bin/${name}.elf)
  endif()
  set(objects)
  foreach(library ${A_LIBRARIES})
    if(library STREQUAL sodium)
      tml_arm_sodium()
    endif()
    get_property(some GLOBAL PROPERTY TML_ARM_OBJECTS_${library})
    list(APPEND objects ${some})
  endforeach()
  cmake_path(ABSOLUTE_PATH A_LINKER_SCRIPT BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
  cmake_path(GET A_OUTPUT PARENT_PATH parent)
  file(MAKE_DIRECTORY ${parent})
  # The command line would grow too long for some shells: the objects' names go through a file.
  string(REPLACE ";" "\n" lines "${objects}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/arm/${name}.objects CONTENT "${lines}\n" @ONLY)
  add_custom_command(
    OUTPUT ${A_OUTPUT}
    COMMAND ${TML_ARM_CXX} ${TML_ARM_CPU} -nostartfiles --specs=nano.specs -Wl,--gc-sections -Wl,--fatal-warnings -Wl,--no-warn-rwx-segments -Wl,-S
            -T${A_LINKER_SCRIPT} -Wl,-Map=${A_OUTPUT}.map ${A_OPTIONS} @${CMAKE_BINARY_DIR}/arm/${name}.objects -o ${A_OUTPUT}
    COMMAND ${TML_ARM_SIZE} -A ${A_OUTPUT}
    DEPENDS ${objects} ${A_LINKER_SCRIPT}
    COMMENT "Cortex-M4F ${name}"
    VERBATIM)
  add_custom_target(${name} ALL DEPENDS ${A_OUTPUT})
endfunction()
