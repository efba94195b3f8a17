// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The container of common/wire/model_package.hpp: what open() refuses, and why.
#include "common/wire/model_package.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/support/nn/layer.hpp"
#include "tests/support/nn/memory.hpp"

namespace tml::wire::model {
namespace {

using test::nn::Bytes;
using test::nn::package;

Bytes valid() {
  test::nn::Entropy entropy(11);
  auto layer = random_layer(Kernel::softmax, entropy);
  auto& s = layer.as<SoftmaxStep>();
  s.rows = 1;
  s.depth = 3;
  layer.input = {1, 2, 3};
  (void)place(layer, test::nn::Placement::apart);
  Bytes bytes = package({layer});
  auto& header = *reinterpret_cast<Header*>(bytes.data());
  header.output.shape = {1, 3, 1, 1};
  header.output.rank = 2;
  header.output.bytes = 3;
  const std::string_view labels(
      "\x04idle\x06k\xC3\xA4r"
      "dy\x02no",
      15);
  header.labels = {header.total_bytes, static_cast<std::uint32_t>(labels.size())};
  header.label_count = 3;
  bytes.insert(bytes.end(), labels.begin(), labels.end());
  bytes.resize((bytes.size() + 15) / 16 * 16);
  reinterpret_cast<Header*>(bytes.data())->total_bytes = static_cast<std::uint32_t>(bytes.size());
  return bytes;
}

template <typename Change>
Fault after(const Change& change) {
  Bytes bytes = valid();
  change(*reinterpret_cast<Header*>(bytes.data()), bytes);
  return open(bytes).fault;
}
template <typename Change>
Fault after_header(const Change& change) {
  return after([&](Header& header, Bytes&) { change(header); });
}

TEST(Package, IsReadWhereItLies) {
  const Bytes bytes = valid();
  const auto opened = open(bytes);
  ASSERT_EQ(opened.fault, Fault::none);
  EXPECT_EQ(opened.view.name(), "random");
  EXPECT_EQ(opened.view.label(0), "idle");
  EXPECT_EQ(opened.view.label(1), "k\xC3\xA4rdy");
  EXPECT_EQ(opened.view.label(2), "no");
  EXPECT_EQ(opened.view.label(3), "");
  EXPECT_EQ(opened.view.steps().size(), sizeof(SoftmaxStep));
  EXPECT_EQ(opened.view.constants().size(), 0U);
  EXPECT_TRUE(opened.view.impulse().empty());
  EXPECT_EQ(opened.view.hash().size(), kHashBytes);
  EXPECT_EQ(opened.view.bytes().data(), bytes.data());
}

TEST(Package, MayLieInALongerSlot) {
  Bytes bytes = valid();
  const std::size_t size = bytes.size();
  bytes.resize(size + 5000, 0xFF);
  const auto opened = open(bytes);
  ASSERT_EQ(opened.fault, Fault::none);
  EXPECT_EQ(opened.view.bytes().size(), size);
}

TEST(Package, Refusals) {
  EXPECT_EQ(open({}).fault, Fault::too_short);
  EXPECT_EQ(open(Bytes(255, 0xFF)).fault, Fault::too_short);
  EXPECT_EQ(open(Bytes(4096, 0xFF)).fault, Fault::not_a_package);  // erased flash
  EXPECT_EQ(open(std::span<const std::uint8_t>(valid()).first(kHeaderBytes)).fault, Fault::too_short);
  EXPECT_EQ(after_header([](Header& h) { h.magic[3] = 'N'; }), Fault::not_a_package);
  EXPECT_EQ(after_header([](Header& h) { h.format = 2; }), Fault::format);
  EXPECT_EQ(after_header([](Header& h) { h.reserved[39] = 1; }), Fault::format);
  EXPECT_EQ(after_header([](Header& h) { h.kernel_abi = 99; }), Fault::kernel_abi);
  EXPECT_EQ(after_header([](Header& h) { h.total_bytes += 16; }), Fault::too_short);
  EXPECT_EQ(after_header([](Header& h) { h.total_bytes -= 8; }), Fault::section);
  EXPECT_EQ(after_header([](Header& h) { h.total_bytes = 0; }), Fault::section);
  EXPECT_EQ(after_header([](Header& h) { h.total_bytes = kMaxPackageBytes + 16; }), Fault::section);
  EXPECT_EQ(after_header([](Header& h) { h.arena_bytes = kMaxArenaBytes + 1; }), Fault::arena);
  EXPECT_EQ(after_header([](Header& h) { h.kernels |= 1ULL << 63; }), Fault::kernel);
  EXPECT_EQ(after_header([](Header& h) { h.step_count = kMaxSteps + 1; }), Fault::step);
  EXPECT_EQ(after_header([](Header& h) { h.step_count = 0; }), Fault::step);
  Bytes shifted(valid().size() + 1);
  const Bytes bytes = valid();
  std::copy(bytes.begin(), bytes.end(), shifted.begin() + 1);
  EXPECT_EQ(open(std::span<const std::uint8_t>(shifted).subspan(1)).fault, Fault::section);
}

TEST(Package, SectionsLieInside) {
  for (Section Header::*section : {&Header::steps, &Header::constants, &Header::labels}) {
    EXPECT_EQ(after_header([&](Header& h) { (h.*section).offset += 4; }), Fault::section);
    EXPECT_EQ(after_header([&](Header& h) { (h.*section).offset = 240; }), Fault::section);
    EXPECT_EQ(after_header([&](Header& h) { (h.*section).offset = 0xFFFFFFF0; }), Fault::section);
    EXPECT_EQ(after_header([&](Header& h) { (h.*section).bytes = 0xFFFFFFFF; }), Fault::section);
  }
  EXPECT_EQ(after_header([](Header& h) { h.impulse.offset = 256; }), Fault::section);
}

TEST(Package, TensorsAreConsistent) {
  for (TensorFacts Header::*tensor : {&Header::input, &Header::output}) {
    const auto of = [&](const auto& change) { return after_header([&](Header& h) { change(h.*tensor); }); };
    EXPECT_EQ(of([](TensorFacts& t) { t.type = ElementType::none; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.rank = 0; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.rank = 5; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.shape[3] = 2; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.shape[0] = 0; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.shape = {1U << 31, 1U << 31, 1, 1}, t.rank = 2; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { ++t.bytes; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.scale = 0; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.scale = std::numeric_limits<float>::quiet_NaN(); }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.zero_point = 128; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.reserved = 1; }), Fault::tensor);
    EXPECT_EQ(of([](TensorFacts& t) { t.arena_offset = 0xFFFFFFFF; }), Fault::arena);
  }
}

TEST(Package, NamesAndLabelsAreText) {
  EXPECT_EQ(after_header([](Header& h) { h.label_count = 2; }), Fault::labels);  // the output has three values
  EXPECT_EQ(after_header([](Header& h) { h.label_count = 65; }), Fault::labels);
  EXPECT_EQ(after_header([](Header& h) { h.labels.bytes = 6; }), Fault::labels);
  EXPECT_EQ(after_header([](Header& h) { h.name.fill('x'); }), Fault::labels);
  EXPECT_EQ(after_header([](Header& h) { h.name[2] = '\n'; }), Fault::labels);
  EXPECT_EQ(after_header([](Header& h) { h.name[2] = '\xFF'; }), Fault::labels);
  EXPECT_EQ(after_header([](Header& h) { h.name[2] = 0; }), Fault::labels);
  const auto label = [](std::size_t at, char c) {
    return after([&](Header& h, Bytes& bytes) { bytes[h.labels.offset + at] = static_cast<std::uint8_t>(c); });
  };
  EXPECT_EQ(label(0, 0), Fault::labels);
  EXPECT_EQ(label(0, 64), Fault::labels);
  EXPECT_EQ(label(1, '\r'), Fault::labels);
  EXPECT_EQ(label(7, 'x'), Fault::labels);  // no longer UTF-8
}

TEST(Package, EveryFaultHasAText) {
  for (int n = 0; n <= 12; ++n) EXPECT_NE(text(static_cast<Fault>(n)), "unknown fault");
  EXPECT_EQ(text(static_cast<Fault>(13)), "unknown fault");
}

TEST(Package, AnyChangeIsRefusedOrReadable) {
  const Bytes bytes = valid();
  EXPECT_TRUE(rc::check([&](const std::vector<std::pair<std::uint16_t, std::uint8_t>>& edits) {
    Bytes changed = bytes;
    for (const auto& [at, value] : edits) changed[at % kHeaderBytes] = value;
    test::nn::Memory memory{changed};
    const auto opened = open(memory.span());
    if (opened.fault != Fault::none) return;
    RC_ASSERT(opened.view.name().size() < kNameBytes);
    for (std::size_t n = 0; n < opened.view.header().label_count; ++n)
      RC_ASSERT(opened.view.label(n).size() <= kMaxLabelLength);
  }));
}

}  // namespace
}  // namespace tml::wire::model
