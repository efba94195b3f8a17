// SPDX-License-Identifier: Apache-2.0
#include "common/sample/writer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/sample/vectors.hpp"

namespace tml::sample {
namespace {

std::string number(double value) {
  std::string out;
  append_json_number(out, value);
  return out;
}

TEST(JsonNumber, AsEcmaScriptWritesIt) {
  EXPECT_EQ(number(0), "0");
  EXPECT_EQ(number(-0.0), "0");
  EXPECT_EQ(number(-9.81), "-9.81");
  EXPECT_EQ(number(9.615384615384615), "9.615384615384615");
  EXPECT_EQ(number(100), "100");
  EXPECT_EQ(number(0.000001), "0.000001");
  EXPECT_EQ(number(0.0000001), "1e-7");
  EXPECT_EQ(number(1.5e-9), "1.5e-9");
  EXPECT_EQ(number(1e20), "100000000000000000000");
  EXPECT_EQ(number(1e21), "1e+21");
  EXPECT_EQ(number(1.25e25), "1.25e+25");
  EXPECT_EQ(number(123456.789), "123456.789");
  EXPECT_EQ(number(5e-324), "5e-324");
  EXPECT_EQ(number(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
}

TEST(Writer, RefusesWhatNoReaderTakes) {
  Header header = test::vector_header();
  const double four[] = {1, 2, 3, 4};
  EXPECT_EQ(write_json(header, four).error().code, Errc::usage);
  const double broken[] = {1, 2, std::nan("")};
  EXPECT_FALSE(write_json(header, broken));
  EXPECT_FALSE(write_cbor(header, broken));
  header.sensors.clear();
  EXPECT_FALSE(write_json(header, {}));
  header.sensors.resize(21, {"x", "y"});
  EXPECT_FALSE(write_cbor(header, {}));
}

TEST(Writer, TextIsEscaped) {
  Header header = test::vector_header();
  header.device_name = "a\"b\\c\n\x01";
  const std::string json = write_json(header, {}).value();
  EXPECT_NE(json.find(R"("a\"b\\c\n\u0001")"), std::string::npos) << json;
  EXPECT_EQ(parse(as_bytes(json))->device_name, header.device_name);
}

RC_GTEST_PROP(WriterProperty, ValuesSurviveBothFormats, (std::vector<std::int32_t> raw, bool flat)) {
  Header header = test::vector_header();
  header.nonce = "00112233445566778899aabbccddeeff";
  header.sensors.resize(static_cast<std::size_t>(*rc::gen::inRange(1, 21)), {"s", "N/A"});
  header.flatten_single_axis = flat;
  raw.resize(raw.size() / header.sensors.size() * header.sensors.size());
  std::vector<double> values;
  for (const std::int32_t value : raw) values.push_back(static_cast<double>(static_cast<float>(value) / 1024.0F));
  for (const auto& written : {write_json(header, values), write_cbor(header, values)}) {
    RC_ASSERT(written.has_value());
    const auto read = parse_values(as_bytes(*written));
    RC_ASSERT(read.has_value());
    RC_ASSERT(read->document.sensors == header.sensors);
    RC_ASSERT(read->document.nonce == header.nonce);
    RC_ASSERT(read->document.readings == values.size() / header.sensors.size());
    RC_ASSERT(read->values.data.size() == values.size());
    for (std::size_t i = 0; i < values.size(); ++i) RC_ASSERT(static_cast<double>(read->values.data[i]) == values[i]);
  }
}

RC_GTEST_PROP(WriterProperty, NumbersReadBackExactly, (std::uint64_t bits)) {
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  RC_PRE(std::isfinite(value));
  RC_ASSERT(std::strtod(number(value).c_str(), nullptr) == value);
}

RC_GTEST_PROP(WriterProperty, BinarySamplesSurvive, (std::vector<std::int16_t> samples, std::string name)) {
  Header header;
  header.device_name = name.substr(0, 100);
  header.device_type = "TML";
  header.interval_ms = 0.0625;
  header.sensors = {{"audio", "wav"}};
  const auto written = write_cbor_binary(header, samples);
  RC_ASSERT(written.has_value());
  const auto read = parse_values(as_bytes(*written));
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->document.format == Format::cbor_binary);
  RC_ASSERT(read->document.binary_offset % 2 == 0U);
  RC_ASSERT(read->document.readings == samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) RC_ASSERT(read->values.data[i] == static_cast<float>(samples[i]));
}

}  // namespace
}  // namespace tml::sample
