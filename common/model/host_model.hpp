// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A package opened on the host: checked as a board checks it, with an arena of its own, and run with the same kernels'
// reference or with the host's fast ones. Move-only; one thread at a time per object.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/model/compile.hpp"
#include "common/wire/model_package.hpp"

namespace tml::model {

enum class Kernels : std::uint8_t {
  reference,  ///< firmware/nn/ref: portable, plain.
  fast        ///< firmware/nn/fast. The same results bit for bit.
};

/// One operator's output, taken right after its last step. Operators that only change a shape have none.
struct LayerTrace {
  std::uint16_t layer = 0;  ///< Index of the operator in the .tflite.
  std::string_view kernel;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;  ///< CRC-32 (ISO-HDLC, as zlib) of the output's bytes.
};

class HostModel {
 public:
  /// `package` may be longer than the package in it. `where`: for errors. Errc::malformed, Errc::unsupported (another
  /// format or kernel ABI), Errc::verification (hash).
  [[nodiscard]] static Result<HostModel> open(Bytes package, std::string_view where);

  HostModel(HostModel&&) = default;
  HostModel& operator=(HostModel&&) = default;

  /// Valid as long as this object is neither moved nor destroyed.
  [[nodiscard]] const wire::model::View& view() const { return view_; }
  [[nodiscard]] bool has_model() const { return view_.header().step_count != 0; }

  /// Runs once. `input`: exactly header().input.bytes. The span returned lies in the arena: valid until the next run.
  /// Errc::usage: another size, or a package without a model.
  [[nodiscard]] Result<std::span<const std::uint8_t>> run(std::span<const std::uint8_t> input,
                                                          Kernels kernels = Kernels::fast,
                                                          const std::function<void(const LayerTrace&)>& trace = {});

 private:
  HostModel() = default;

  Bytes package_;
  std::vector<std::uint8_t> arena_;
  wire::model::View view_;
};

}  // namespace tml::model
