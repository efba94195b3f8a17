// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a factory does before a board in QEMU is shipped: the first application, in slot app-a.
#pragma once

#include <filesystem>

#include "common/base/error.hpp"
#include "firmware/boards/native/psram_file.hpp"

namespace tml::fw::native {

/// Puts the application into app-a of a board that was never flashed (factory.hpp); one that was is left alone. The
/// file is a raw image with an ImageHeader, which is signed with the development key, or a signed file (.tmlu), of
/// which the object for app-a is taken. Errc::not_found, Errc::malformed (neither), Errc::unsupported (linked for
/// another slot, or too large), Errc::io.
[[nodiscard]] Result<void> program_qemu_factory(PsramFile& memory, const std::filesystem::path& file);

}  // namespace tml::fw::native
