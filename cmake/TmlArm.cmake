# SPDX-License-Identifier: Apache-2.0
# Compiles and links for Cortex-M4F beside the host build, so that what runs on a board is built from the first day.
include_guard(GLOBAL)

find_program(TML_ARM_CXX arm-none-eabi-g++ DOC "C++ cross compiler for TML_ARM")
find_program(TML_ARM_CC arm-none-eabi-gcc DOC "C cross compiler for TML_ARM")
find_program(TML_ARM_OBJCOPY arm-none-eabi-objcopy DOC "Makes raw images for TML_ARM")
find_program(TML_ARM_SIZE arm-none-eabi-size DOC "Prints the size of an image for TML_ARM")
if(NOT TML_ARM_CXX OR NOT TML_ARM_CC)
  message(FATAL_ERROR "TML_ARM=ON needs arm-none-eabi-g++ (Debian: gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib), "
                      "or configure with -DTML_ARM=OFF")
endif()
include(TmlSodium)
include(TmlZlib)

set(TML_ARM_CPU -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16
    CACHE INTERNAL "The processor, for compiler and linker")
set(TML_ARM_FLAGS ${TML_ARM_CPU} -std=c++20 -Os -ffunction-sections -fdata-sections
    -fno-exceptions -fno-rtti -fno-threadsafe-statics -Wall -Wextra -Wno-missing-field-initializers -Werror
    CACHE INTERNAL "C++ flags for the board, seen from every folder that includes this file")
set(TML_ARM_ASM_FLAGS ${TML_ARM_CPU} -x assembler-with-cpp CACHE INTERNAL "Assembler flags for the board")
# Others' C: their warnings are theirs.
set(TML_ARM_C_FLAGS ${TML_ARM_CPU} -std=gnu11 -Os -ffunction-sections -fdata-sections -w CACHE INTERNAL "C flags for the board")

# What an image for little memory adds (tml_arm_image, SMALL): the linker compiles the image as one, and a few sources choose less code.
set(TML_ARM_SMALL_FLAGS -flto -fno-fat-lto-objects -DTML_SMALL CACHE INTERNAL "For compiler and linker")

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

function(tml_arm_zlib_headers)
  tml_find_zlib()
  tml_arm_copy_headers(${TML_ZLIB_ROOT} zlib.h)
  tml_arm_copy_headers(${TML_ZLIB_ROOT} zconf.h)
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

# The objects of these sources in FOLDER, under the NAME of which tml_arm_image() finds them.
function(tml_arm_compile name folder)
  cmake_parse_arguments(A "" "" "SOURCES;OPTIONS" ${ARGN})
  set(tml_arm_out)
  foreach(source ${A_SOURCES})
    file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${source})
    tml_arm_object(${folder} ${source} ${relative} ${A_OPTIONS})
  endforeach()
  set_property(GLOBAL PROPERTY TML_ARM_OBJECTS_${name} ${tml_arm_out})
endfunction()

# NAME_small: what tml_arm_objects(NAME) has, compiled for a SMALL image.
function(tml_arm_small name)
  get_property(there GLOBAL PROPERTY TML_ARM_OBJECTS_${name}_small)
  get_property(sources GLOBAL PROPERTY TML_ARM_SOURCES_${name})
  get_property(options GLOBAL PROPERTY TML_ARM_OPTIONS_${name})
  if(sources AND NOT there)
    tml_arm_compile(${name}_small ${CMAKE_BINARY_DIR}/arm/${name}_small SOURCES ${sources} OPTIONS ${options} ${TML_ARM_SMALL_FLAGS})
  endif()
endfunction()

# tml_arm_objects(NAME SOURCES a.cpp b.S c.c... [HEADERS a.hpp...] [SODIUM] [ZLIB] [OPTIONS -f...])
# Target arm_NAME (part of ALL) and test arm_NAME (label unit): every source, and every header on its own, compiles for the board.
# The objects are in ${CMAKE_BINARY_DIR}/arm/NAME, and tml_arm_image() links them by this NAME. SODIUM and ZLIB make the headers
# of libsodium and zlib available.
function(tml_arm_objects name)
  cmake_parse_arguments(A "SODIUM;ZLIB" "" "SOURCES;HEADERS;OPTIONS" ${ARGN})
  find_path(TML_EXPECTED_DIR tl/expected.hpp PATHS /usr/local/include /usr/include REQUIRED)
  tml_arm_copy_headers(${TML_EXPECTED_DIR} tl/expected.hpp)
  if(A_SODIUM)
    tml_arm_sodium_headers()
  endif()
  if(A_ZLIB)
    tml_arm_zlib_headers()
  endif()

  set(folder ${CMAKE_BINARY_DIR}/arm/${name})
  set(sources)
  foreach(source ${A_SOURCES})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    list(APPEND sources ${source})
  endforeach()
  tml_arm_compile(${name} ${folder} SOURCES ${sources} OPTIONS ${A_OPTIONS})
  set_property(GLOBAL PROPERTY TML_ARM_SOURCES_${name} ${sources})
  set_property(GLOBAL PROPERTY TML_ARM_OPTIONS_${name} ${A_OPTIONS})
  get_property(tml_arm_out GLOBAL PROPERTY TML_ARM_OBJECTS_${name})
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

# The name `sodium` for tml_arm_image(): libsodium's listed sources. In a SMALL image unrolled parts are replaced by
# firmware/boards/common/small (`sodium_small`): SHA-512, the reduction of scalars, the squares of the field.
function(tml_arm_sodium name)
  get_property(there GLOBAL PROPERTY TML_ARM_OBJECTS_${name})
  if(there)
    return()
  endif()
  tml_arm_sodium_headers()
  set(sources ${TML_SODIUM_SOURCES})
  set(small ${CMAKE_SOURCE_DIR}/firmware/boards/common/small)
  set(renamed)
  set(tml_arm_out)
  set(common -DCONFIGURED=1 -DNATIVE_LITTLE_ENDIAN=1 -DHAVE_WEAK_SYMBOLS=1 -DHAVE_INLINE_ASM=1)
  if(name STREQUAL sodium_small)
    list(REMOVE_ITEM sources crypto_hash/sha512/cp/hash_sha512_cp.c)
    list(APPEND common ${TML_ARM_SMALL_FLAGS})
    set(renamed -Dsc25519_reduce=sc25519_reduce_unrolled -include ${small}/field.h)
    include(${small}/CMakeLists.txt)
    foreach(source ${TML_SMALL_SODIUM})
      file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${small}/${source})
      tml_arm_object(${CMAKE_BINARY_DIR}/arm/${name} ${small}/${source} ${relative} ${TML_ARM_SMALL_FLAGS})
    endforeach()
  endif()
  foreach(source ${sources})
    set(defines ${common})
    if(source MATCHES "ed25519_ref10.c$")
      list(APPEND defines ${renamed})
    endif()
    tml_arm_object(${CMAKE_BINARY_DIR}/arm/${name} ${TML_SODIUM_ROOT}/${source} ${source} ${defines} -I${TML_SODIUM_ROOT}/include/sodium)
  endforeach()
  set_property(GLOBAL PROPERTY TML_ARM_OBJECTS_${name} ${tml_arm_out})
endfunction()

# The name `zlib` for tml_arm_image(): the decoder of raw deflate. Z_SOLO keeps malloc out; memcpy is the library's all the same.
function(tml_arm_zlib)
  get_property(there GLOBAL PROPERTY TML_ARM_OBJECTS_zlib)
  if(there)
    return()
  endif()
  tml_arm_zlib_headers()
  set(tml_arm_out)
  foreach(source ${TML_ZLIB_SOURCES})
    tml_arm_object(${CMAKE_BINARY_DIR}/arm/zlib ${TML_ZLIB_ROOT}/${source} ${source} -DZ_SOLO -DHAVE_MEMCPY -DNO_GZIP -include string.h)
  endforeach()
  set_property(GLOBAL PROPERTY TML_ARM_OBJECTS_zlib ${tml_arm_out})
endfunction()

# The name `memory_small` for tml_arm_image(): memcpy() and the like. They stay out of link-time optimisation, which does not see the calls
# that the code generator makes.
function(tml_arm_memory)
  get_property(there GLOBAL PROPERTY TML_ARM_OBJECTS_memory_small)
  if(NOT there)
    set(small ${CMAKE_SOURCE_DIR}/firmware/boards/common/small)
    include(${small}/CMakeLists.txt)
    list(TRANSFORM TML_SMALL_MEMORY PREPEND ${small}/)
    tml_arm_compile(memory_small ${CMAKE_BINARY_DIR}/arm/memory_small SOURCES ${TML_SMALL_MEMORY} OPTIONS -fno-tree-loop-distribute-patterns)
  endif()
endfunction()

# tml_arm_image(NAME LIBRARIES wire fw_app... LINKER_SCRIPT x.ld [SMALL] [OUTPUT FILE] [BINARY] [EXCLUDE a.cpp...] [OPTIONS -Wl,...])
# Target NAME (part of ALL): OUTPUT (${CMAKE_BINARY_DIR}/bin/NAME.elf when not given), linked from the objects of the tml_arm_objects()
# of these names; those that this configuration does not build (TML_ONLY) are left out, `sodium` and `zlib` are third-party sources. SMALL
# takes all of them in the fewest bytes of code, for a bootloader: compiled anew, and slower (TML_SMALL in the sources). EXCLUDE leaves out the objects of these sources, for which another library has a substitute.
# BINARY makes the raw image OUTPUT.bin beside OUTPUT.elf. The script may include others of its folder. Prints the sections' sizes.
function(tml_arm_image name)
  cmake_parse_arguments(A "BINARY;SMALL" "LINKER_SCRIPT;OUTPUT" "LIBRARIES;EXCLUDE;OPTIONS" ${ARGN})
  if(NOT A_OUTPUT)
    set(A_OUTPUT ${CMAKE_BINARY_DIR}/bin/${name}.elf)
  endif()
  set(objects)
  set(libraries ${A_LIBRARIES})
  set(small)
  if(A_SMALL)
    list(TRANSFORM libraries APPEND _small)
    list(APPEND libraries memory_small)
    set(small -Os ${TML_ARM_SMALL_FLAGS} -flto-partition=one)
    tml_arm_memory()
    foreach(library ${A_LIBRARIES})
      tml_arm_small(${library})
    endforeach()
  endif()
  foreach(library ${libraries})
    if(library MATCHES "^sodium(_small)?$")
      tml_arm_sodium(${library})
    elseif(library STREQUAL zlib)
      tml_arm_zlib()
    endif()
    get_property(some GLOBAL PROPERTY TML_ARM_OBJECTS_${library})
    list(APPEND objects ${some})
  endforeach()
  foreach(source ${A_EXCLUDE})
    string(REPLACE "." "\\." pattern "${source}")
    list(FILTER objects EXCLUDE REGEX "/${pattern}\\.o$")
  endforeach()
  cmake_path(ABSOLUTE_PATH A_LINKER_SCRIPT BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
  cmake_path(GET A_LINKER_SCRIPT PARENT_PATH script_folder)
  file(GLOB scripts CONFIGURE_DEPENDS ${script_folder}/*.ld)
  cmake_path(GET A_OUTPUT PARENT_PATH parent)
  file(MAKE_DIRECTORY ${parent})
  set(made ${A_OUTPUT})
  set(copy)
  if(A_BINARY)
    cmake_path(REPLACE_EXTENSION A_OUTPUT LAST_ONLY bin OUTPUT_VARIABLE binary)
    list(APPEND made ${binary})
    set(copy COMMAND ${TML_ARM_OBJCOPY} -O binary ${A_OUTPUT} ${binary})
  endif()
  # The command line would grow too long for some shells: the objects' names go through a file.
  string(REPLACE ";" "\n" lines "${objects}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/arm/${name}.objects CONTENT "${lines}\n" @ONLY)
  add_custom_command(
    OUTPUT ${made}
    COMMAND ${TML_ARM_CXX} ${TML_ARM_CPU} ${small} -nostartfiles --specs=nano.specs -Wl,--gc-sections -Wl,--fatal-warnings -Wl,--no-warn-rwx-segments -Wl,-S
            -L${script_folder} -T${A_LINKER_SCRIPT} -Wl,-Map=${A_OUTPUT}.map ${A_OPTIONS} @${CMAKE_BINARY_DIR}/arm/${name}.objects -o ${A_OUTPUT}
    COMMAND ${TML_ARM_SIZE} -A ${A_OUTPUT}
    ${copy}
    DEPENDS ${objects} ${scripts}
    COMMENT "Cortex-M4F ${name}"
    VERBATIM)
  add_custom_target(${name} ALL DEPENDS ${A_OUTPUT})
endfunction()
