# SPDX-License-Identifier: Apache-2.0
# How a folder becomes a library, a program or a test. One include root: the repository.

# Boost.Asio and Beast are compiled once, here; everything that uses them links tml_asio and shares its precompiled header.
add_library(tml_asio STATIC ${CMAKE_SOURCE_DIR}/cmake/asio_impl.cpp)
target_compile_definitions(tml_asio PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
                                           BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_HAS_CO_AWAIT)
target_compile_options(tml_asio PRIVATE -Wno-conversion -Wno-sign-conversion -Wno-shadow -Wno-old-style-cast)
target_link_libraries(tml_asio PUBLIC Boost::headers Threads::Threads OpenSSL::SSL OpenSSL::Crypto)

add_library(tml_pch_asio OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch_asio.cpp)
target_link_libraries(tml_pch_asio PUBLIC tml_asio tl::expected)
target_precompile_headers(tml_pch_asio PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch_asio.hpp)

# Adds each folder that is there, or with TML_ONLY just those named there.
function(tml_add_folders)
  foreach(folder ${ARGN})
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt AND (NOT TML_ONLY OR folder IN_LIST TML_ONLY))
      add_subdirectory(${folder})
    endif()
  endforeach()
endfunction()

# tml_library(NAME SOURCES a.cpp... DEPS tml::x... [PRIVATE_DEPS ...] [ASIO])
function(tml_library name)
  cmake_parse_arguments(A "ASIO" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  string(REGEX REPLACE "^tml_" "" short ${name})
  add_library(tml::${short} ALIAS ${name})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(${name} PUBLIC tl::expected ${A_DEPS} PRIVATE ${A_PRIVATE_DEPS})
  if(A_ASIO)
    target_link_libraries(${name} PUBLIC tml_asio)
    target_precompile_headers(${name} REUSE_FROM tml_pch_asio)
  endif()
endfunction()

# tml_program(NAME SOURCES main.cpp DEPS ...)
function(tml_program name)
  cmake_parse_arguments(A "ASIO" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(${name} PRIVATE ${A_DEPS})
  if(A_ASIO)
    target_link_libraries(${name} PRIVATE tml_asio)
    target_precompile_headers(${name} REUSE_FROM tml_pch_asio)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# tml_unit_test(unit_x SOURCES ... DEPS ... [ASIO]): GoogleTest + RapidCheck, label "unit".
function(tml_unit_test name)
  cmake_parse_arguments(A "ASIO" "LABEL;TIMEOUT" "SOURCES;DEPS;ENV" ${ARGN})
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
  target_compile_definitions(${name} PRIVATE TML_SHARED_DIR="${CMAKE_SOURCE_DIR}/../shared" TML_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                             TML_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gmock_main rapidcheck)
  if(A_ASIO)
    target_link_libraries(${name} PRIVATE tml_asio)
  endif()
  if(TARGET tml_pch_test)
    target_precompile_headers(${name} REUSE_FROM tml_pch_test)
  endif()
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT})
endfunction()

# tml_fuzz_target(fuzz_x SOURCES x.cpp DEPS ... [RUNS n]): a libFuzzer program in the fuzz preset, a seeded smoke run elsewhere, of n inputs
# (20000 when not told; less where one input costs a whole conversation).
function(tml_fuzz_target name)
  cmake_parse_arguments(A "ASIO" "RUNS" "SOURCES;DEPS" ${ARGN})
  if(NOT A_RUNS)
    set(A_RUNS 20000)
  endif()
  string(REGEX REPLACE "^fuzz_" "" short ${name})
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${short})
  if(TML_FUZZ)
    add_executable(${name} ${A_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${A_SOURCES} ${CMAKE_SOURCE_DIR}/tests/support/fuzz_driver.cpp)
    add_test(NAME ${name} COMMAND ${name} --runs=${A_RUNS} ${corpus})
    set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(${name} PRIVATE ${A_DEPS})
  if(A_ASIO)
    target_link_libraries(${name} PRIVATE tml_asio)
  endif()
endfunction()

# tml_python_test(integration_x SCRIPT x.py [LABEL integration] [TIMEOUT 300] [ARGS ...] [SERIAL]): a Python test of real programs. It finds
# them through TML_BIN_DIR and the shared helpers through PYTHONPATH. Exit 77 = skipped, with the reason printed. SERIAL = alone on the machine.
function(tml_python_test name)
  cmake_parse_arguments(A "SERIAL" "SCRIPT;LABEL;TIMEOUT" "ARGS" ${ARGN})
  if(NOT A_LABEL)
    set(A_LABEL integration)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  find_program(TML_PYTHON3 NAMES /usr/bin/python3 python3 REQUIRED NO_CACHE)
  add_test(NAME ${name} COMMAND ${TML_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/${A_SCRIPT} ${A_ARGS})
  set_tests_properties(${name} PROPERTIES
    LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "TML_BIN_DIR=${CMAKE_BINARY_DIR}/bin;TML_SHARED_DIR=${CMAKE_SOURCE_DIR}/../shared;PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/support/py;PYTHONDONTWRITEBYTECODE=1")
  if(A_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()

# tml_qemu_test(NAME SCRIPT [ARGUMENTS...]): an integration test of the board, run on the firmware in QEMU (tests/support/py/boards.py). Label
# qemu; skipped where there is no qemu-system-arm; alone, as they watch deadlines.
function(tml_qemu_test name script)
  add_test(NAME ${name} COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS qemu TIMEOUT 240 RUN_SERIAL TRUE SKIP_RETURN_CODE 77
    ENVIRONMENT "TML_BIN_DIR=${CMAKE_BINARY_DIR}/bin;TML_SHARED_DIR=${CMAKE_SOURCE_DIR}/../shared;TML_BOARD=qemu")
endfunction()
