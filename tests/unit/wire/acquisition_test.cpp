// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/acquisition.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>

#include "common/wire/cbor.hpp"
#include "tests/unit/wire/support.hpp"

namespace tml::wire {
namespace {

using test::Bytes;

constexpr std::string_view kKey = "fed53116f20684c067774ebf9e7bcbdc";

std::string hmac_hex(std::span<const std::byte> message) {
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), kKey.data(), static_cast<int>(kKey.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), digest.data(), &size);
  EXPECT_EQ(size, 32U);
  return test::hex(std::as_bytes(std::span(digest)));
}

class OpensslMac final : public Mac {
 public:
  void update(std::span<const std::byte> bytes) override { seen_.insert(seen_.end(), bytes.begin(), bytes.end()); }
  void finish(std::span<std::byte, 32> out) override {
    const Bytes digest = test::unhex(hmac_hex(seen_));
    std::copy(digest.begin(), digest.end(), out.begin());
  }

 private:
  Bytes seen_;
};

struct Document {
  Bytes bytes;
  OpensslMac mac;
  Bytes scratch;
  std::size_t pieces = 0;

  explicit Document(std::size_t scratch_size = 512) : scratch(scratch_size) {}
  auto sink() {
    return [this](std::span<const std::byte> piece) -> Result<void> {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      ++pieces;
      return {};
    };
  }
  std::string patched(const AcquisitionWriter& writer, const SignatureHex& signature) {
    Bytes copy = bytes;
    for (std::size_t i = 0; i < signature.size(); ++i) {
      EXPECT_EQ(copy[writer.signature_offset() + i], std::byte{'0'});
      copy[writer.signature_offset() + i] = static_cast<std::byte>(signature[i]);
    }
    return test::hex(copy);
  }
};

constexpr std::array<AcquisitionSensor, 3> kAxes = {{{"accX", "m/s2"}, {"accY", "m/s2"}, {"accZ", "m/s2"}}};
constexpr std::array<AcquisitionSensor, 1> kAudio = {{{"audio", "wav"}}};
constexpr std::array<float, 12> kRows = {-9.81F, 0.03F, 1.21F, -9.83F, 0.04F, 1.28F,
                                         -9.12F, 0.03F, 1.23F, -9.14F, 0.01F, 1.25F};

AcquisitionHeader vector_header() {
  AcquisitionHeader header;
  header.device_name = "ac:87:a3:0a:2d:1b";
  header.device_type = "DISCO-L475VG-IOT01A";
  header.interval_ms = 10;
  header.sensors = kAxes;
  return header;
}

std::array<std::byte, 16> counting_nonce() {
  std::array<std::byte, 16> nonce{};
  for (std::size_t i = 0; i < nonce.size(); ++i) nonce[i] = static_cast<std::byte>(i);
  return nonce;
}

TEST(Acquisition, PublishedCborVector) {
  for (const std::size_t scratch : {16U, 17U, 25U, 64U, 512U, 4096U}) {
    Document document(scratch);
    auto sink = document.sink();
    AcquisitionWriter writer(document.mac, sink, document.scratch);
    ASSERT_TRUE(writer.begin(vector_header()));
    for (std::size_t i = 0; i < kRows.size(); i += 3) ASSERT_TRUE(writer.reading(std::span(kRows).subspan(i, 3)));
    const auto signature = writer.finish();
    ASSERT_TRUE(signature);
    EXPECT_EQ(std::string(signature->data(), signature->size()),
              "f0bc94ee616f902a5dbce2a32f3946873831a746b8019bb3b3eb0850a9b17048");
    EXPECT_EQ(document.bytes.size(), 337U);
    EXPECT_EQ(writer.size(), 337U);
    EXPECT_EQ(writer.count(), 4U);
    EXPECT_EQ(writer.signature_offset(), 41U);
    EXPECT_EQ(document.patched(writer, *signature), test::golden_value("acquisition.txt", "csdk"))
        << "scratch " << scratch;
  }
}

// The JSON vector is signed elsewhere; here the MAC rule (key text, message with zeros) is pinned for both encodings.
TEST(Acquisition, PublishedJsonVector) {
  Bytes document = test::unhex(test::golden_value("acquisition.txt", "json"));
  ASSERT_EQ(document.size(), 423U);
  const std::string expected = "7c3c01c0f6c192a56e49b6578eda7f95dd0ac9ece33f162675fdf183bf0ecb1e";
  const auto at = as_text(document).find(expected);
  ASSERT_NE(at, std::string_view::npos);
  std::fill_n(document.begin() + static_cast<std::ptrdiff_t>(at), 64, std::byte{'0'});
  EXPECT_EQ(hmac_hex(document), expected);
}

TEST(Acquisition, NonceAndIat) {
  Document document;
  auto sink = document.sink();
  AcquisitionWriter writer(document.mac, sink, document.scratch);
  auto header = vector_header();
  header.nonce = counting_nonce();
  header.iat = 1564128599;
  ASSERT_TRUE(writer.begin(header));
  EXPECT_LE(writer.size(), acquisition_header_bound(header));
  ASSERT_TRUE(writer.readings(kRows));
  const auto signature = writer.finish();
  ASSERT_TRUE(signature);
  EXPECT_EQ(document.patched(writer, *signature), test::golden_value("acquisition.txt", "iat_nonce"));
}

TEST(Acquisition, WorkedExampleOfTheDocument) {
  constexpr std::array<AcquisitionSensor, 1> kOne = {{{"accX", "m/s2"}}};
  Document document;
  auto sink = document.sink();
  AcquisitionWriter writer(document.mac, sink, document.scratch);
  AcquisitionHeader header;
  header.device_type = "TML-BOARD";
  header.interval_ms = 10;
  header.sensors = kOne;
  header.nonce = counting_nonce();
  ASSERT_TRUE(writer.begin(header));
  constexpr std::array<float, 3> kValues = {1.0F, -9.81F, 0.5F};
  ASSERT_TRUE(writer.readings(kValues));
  const auto signature = writer.finish();
  ASSERT_TRUE(signature);
  EXPECT_EQ(document.patched(writer, *signature), test::golden_value("acquisition.txt", "nonce"));
}

AcquisitionHeader audio_header() {
  AcquisitionHeader header;
  header.device_type = "TML-BOARD";
  header.interval_ms = 0.0625;
  header.sensors = kAudio;
  return header;
}

TEST(Acquisition, Int16SingleAxis) {
  Document document;
  auto sink = document.sink();
  AcquisitionWriter writer(document.mac, sink, document.scratch);
  ASSERT_TRUE(writer.begin(audio_header()));
  constexpr std::array<std::int16_t, 7> kValues = {0, 1, -1, 32767, -32768, 255, -256};
  ASSERT_TRUE(writer.readings(kValues));
  const auto signature = writer.finish();
  ASSERT_TRUE(signature);
  EXPECT_EQ(document.patched(writer, *signature), test::golden_value("acquisition.txt", "int16_single_axis"));
}

TEST(Acquisition, BulkIsAlignedAndSigned) {
  Document document;
  auto sink = document.sink();
  AcquisitionWriter writer(document.mac, sink, document.scratch);
  ASSERT_TRUE(writer.begin_bulk_i16(audio_header(), 8));
  constexpr std::array<std::int16_t, 4> kValues = {0, 1, -1, -32768};
  ASSERT_TRUE(writer.readings(kValues));
  const auto signature = writer.finish();
  ASSERT_TRUE(signature);
  EXPECT_EQ(document.patched(writer, *signature), test::golden_value("acquisition.txt", "bulk_i16_align8"));
  CborReader reader(document.bytes);
  ASSERT_TRUE(reader.skip_value());
  EXPECT_EQ(reader.position() % 8, 0U);
  EXPECT_EQ(document.bytes.size() - reader.position(), 8U);
}

TEST(Acquisition, EveryAlignmentAndNameLength) {
  for (const std::size_t alignment : {1U, 2U, 4U, 8U}) {
    for (std::size_t extra = 0; extra < 9; ++extra) {
      Document document(16);
      auto sink = document.sink();
      AcquisitionWriter writer(document.mac, sink, document.scratch);
      auto header = audio_header();
      const std::string name(extra, 'n');
      header.device_name = name;
      ASSERT_TRUE(writer.begin_bulk_i16(header, alignment));
      EXPECT_EQ(document.bytes.size() % alignment, 0U);
      CborReader reader(document.bytes);
      ASSERT_TRUE(reader.skip_value());
      EXPECT_EQ(reader.position(), document.bytes.size());
    }
  }
}

TEST(Acquisition, MisuseIsRefusedAndSticks) {
  Document document;
  auto sink = document.sink();
  {
    AcquisitionWriter writer(document.mac, sink, document.scratch);
    EXPECT_EQ(writer.reading(std::span(kRows).first(3)).error(), Errc::bad_state);
    EXPECT_EQ(writer.begin(vector_header()).error(), Errc::bad_state);
  }
  {
    AcquisitionWriter writer(document.mac, sink, document.scratch);
    EXPECT_EQ(writer.finish().error(), Errc::bad_state);
  }
  {
    AcquisitionWriter writer(document.mac, sink, document.scratch);
    ASSERT_TRUE(writer.begin(vector_header()));
    EXPECT_EQ(writer.reading(std::span(kRows).first(2)).error(), Errc::malformed);
    EXPECT_EQ(writer.finish().error(), Errc::malformed);
  }
  {
    AcquisitionWriter writer(document.mac, sink, document.scratch);
    EXPECT_EQ(writer.begin_bulk_i16(vector_header()).error(), Errc::malformed);
  }
  {
    AcquisitionWriter writer(document.mac, sink, document.scratch);
    EXPECT_EQ(writer.begin_bulk_i16(audio_header(), 3).error(), Errc::malformed);
  }
  {
    AcquisitionWriter writer(document.mac, sink, std::span(document.scratch).first(8));
    EXPECT_EQ(writer.begin(vector_header()).error(), Errc::overflow);
  }
}

TEST(Acquisition, SinkFailureSticks) {
  for (std::size_t good = 0; good < 8; ++good) {
    OpensslMac mac;
    std::array<std::byte, 64> scratch{};
    std::size_t left = good;
    auto sink = [&left](std::span<const std::byte>) -> Result<void> {
      if (left == 0) return fail(Errc::sink_failed);
      --left;
      return {};
    };
    AcquisitionWriter writer(mac, sink, scratch);
    bool failed = !writer.begin(vector_header());
    if (!failed) failed = !writer.readings(kRows);
    const auto signature = writer.finish();
    if (good < 5) EXPECT_TRUE(failed);
    if (!signature) EXPECT_EQ(signature.error(), Errc::sink_failed);
    if (failed) EXPECT_FALSE(signature);
  }
}

TEST(Acquisition, AnyBatchingGivesTheSameDocument) {
  EXPECT_TRUE(rc::check([](const std::vector<std::int16_t>& values) {
    const auto make = [&values](std::size_t scratch, bool one_by_one) {
      Document document(scratch);
      auto sink = document.sink();
      AcquisitionWriter writer(document.mac, sink, document.scratch);
      EXPECT_TRUE(writer.begin(audio_header()));
      if (one_by_one) {
        for (const auto& value : values) EXPECT_TRUE(writer.reading(std::span(&value, 1)));
      } else {
        EXPECT_TRUE(writer.readings(values));
      }
      const auto signature = writer.finish();
      EXPECT_TRUE(signature);
      return document.patched(writer, signature.value_or(SignatureHex{}));
    };
    RC_ASSERT(make(512, true) == make(16, false));
  }));
}

}  // namespace
}  // namespace tml::wire
