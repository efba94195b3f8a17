// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/image_header.hpp"

#include <array>
#include <bit>

#include "common/wire/model_package.hpp"
#include "common/wire/model_steps.hpp"
#include "firmware/boards/mps2_an386/board_names.hpp"

extern "C" {
// Of the linker script: their addresses are numbers.
extern const std::uint8_t tml_image_bytes;
extern const std::uint8_t tml_image_slots;
}

namespace tml::fw::mps2 {
namespace {

using wire::flash::ImageHeader;

// The table for this processor has every kernel (firmware/nn/m4/table_of_all.cpp), numbered from 1; main() holds this
// against the table itself.
constexpr std::uint64_t kKernels = ((std::uint64_t{1} << wire::model::kKernelCount) - 1) & ~std::uint64_t{1};

// As ImageHeader, with addresses where the linker has to fill in numbers: C++ makes no constant of one.
struct Header {
  std::array<std::uint8_t, 4> magic = ImageHeader{}.magic;
  std::uint16_t format = ImageHeader{}.format;
  std::uint16_t header_bytes = ImageHeader{}.header_bytes;
  const std::uint8_t* image_bytes = &tml_image_bytes;
  std::uint32_t version = kVersion;
  const std::uint8_t* slots = &tml_image_slots;
  std::uint16_t hardware_first = kHardware;
  std::uint16_t hardware_last = kHardware;
  std::uint16_t kernel_abi = wire::model::kKernelAbi;
  std::uint16_t reserved0 = 0;
  std::uint32_t arena_bytes = kArenaBytes;
  std::uint64_t kernels = kKernels;
  std::array<char, 24> product{};
  std::array<char, 32> name{};
  std::array<std::uint8_t, 20> build_id{};
  std::uint32_t behaviour = 0;
  std::array<std::uint8_t, 8> reserved1{};
};
static_assert(sizeof(Header) == sizeof(ImageHeader) && offsetof(Header, kernels) == offsetof(ImageHeader, kernels) &&
              offsetof(Header, behaviour) == offsetof(ImageHeader, behaviour));

constexpr Header make() {
  Header out;
  for (std::size_t i = 0; i < kProduct.size(); ++i) out.product[i] = kProduct[i];
  constexpr std::string_view kName = "tml application";
  for (std::size_t i = 0; i < kName.size(); ++i) out.name[i] = kName[i];
  return out;
}

extern constinit const Header header;
__attribute__((section(".image_header"), used)) constinit const Header header = make();

}  // namespace

const ImageHeader& image_header() { return *std::launder(reinterpret_cast<const ImageHeader*>(&header)); }

}  // namespace tml::fw::mps2
