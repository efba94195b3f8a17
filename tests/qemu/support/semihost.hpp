// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a test image on QEMU's mps2-an386 has of the host: files of its working directory and a console, by Arm
// semihosting (Arm IHI 0100, "Semihosting for AArch32 and AArch64"), and the two markers between which
// ../shared/tools/qemu-count counts instructions. Start it with -semihosting-config enable=on,target=native.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tml::qemu {

/// Ends QEMU with this exit status.
[[noreturn]] void leave(int status);

/// Writes a zero-terminated text to the console.
void say(const char* text);
/// "NAME VALUE" and a line end.
void say(const char* name, std::uint32_t value);

/// Bytes of `file` from `offset`, as many as there are and fit; -1 when it cannot be opened.
[[nodiscard]] long read_file(const char* file, std::size_t offset, std::span<std::byte> into);

/// A new file, or -1.
[[nodiscard]] int create_file(const char* file);
/// All bytes; false when the host did not take them.
[[nodiscard]] bool append(int file, std::span<const std::byte> bytes);

}  // namespace tml::qemu

extern "C" {
void bench_begin();
void bench_end();
}
