# SPDX-License-Identifier: Apache-2.0
# Bare-metal test images for QEMU's mps2-an386 (Cortex-M4F): start-up and semihosting in this folder, the rest from the caller.
include_guard(GLOBAL)
include(TmlArm)

set(TML_QEMU_SUPPORT ${CMAKE_CURRENT_LIST_DIR})
tml_arm_objects(qemu_support
  SOURCES ${TML_QEMU_SUPPORT}/semihost.cpp ${TML_QEMU_SUPPORT}/startup.cpp
  HEADERS ${TML_QEMU_SUPPORT}/semihost.hpp)

# tml_qemu_image(NAME SOURCES a.cpp... LIBRARIES fw_dsp... [OPTIONS -O2...]): target NAME, image ${CMAKE_BINARY_DIR}/qemu/NAME.elf.
function(tml_qemu_image name)
  cmake_parse_arguments(A "" "" "SOURCES;LIBRARIES;OPTIONS" ${ARGN})
  tml_arm_objects(${name} SOURCES ${A_SOURCES} OPTIONS ${A_OPTIONS})
  tml_arm_image(${name} LIBRARIES ${name} qemu_support ${A_LIBRARIES} LINKER_SCRIPT ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/image.ld
                OUTPUT ${CMAKE_BINARY_DIR}/qemu/${name}.elf)
endfunction()
