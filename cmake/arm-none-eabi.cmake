# SPDX-License-Identifier: Apache-2.0
# Toolchain file of the presets fw-*: a build of the firmware alone, with the same compiler and flags as in the other builds (TmlArm).
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR cortex-m4)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
# A program needs a linker script, which CMake's trial programs do not have.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
