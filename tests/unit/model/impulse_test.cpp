// SPDX-License-Identifier: Apache-2.0
// Impulse files, recordings, fitting, and whole impulses on the host.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "common/model/host_run.hpp"
#include "common/model/impulse_build.hpp"
#include "common/model/recordings.hpp"
#include "common/model/tflite_reader.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/model/tflite_builder.hpp"

namespace tml::model {
namespace {

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

constexpr const char* kFan = R"(
name = "fan"
version = "1.2.3"
[impulse]
sensor = "Built-in accelerometer"
axes = [0, 1]
frequency_hz = 50
window_ms = 400
stride_ms = 200
[[dsp]]
type = "flatten"
statistics = ["mean", "deviation"]
[anomaly]
kind = "mahalanobis"
fit = "normal"
)";

std::string without(std::string text, const std::string& part, const std::string& instead = "") {
  const auto at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return text.replace(at, part.size(), instead);
}

std::string wrong(const std::string& text) {
  const auto spec = parse_impulse(text, "fan.toml");
  return spec ? "parsed" : spec.error().message();
}

TEST(ImpulseFile, ReadsWhatItSays) {
  const auto spec = parse_impulse(kFan, "fan.toml");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->name, "fan");
  EXPECT_EQ(spec->window_readings(), 20U);
  EXPECT_EQ(spec->stride_readings(), 10U);
  ASSERT_EQ(spec->blocks.size(), 1U);
  EXPECT_EQ(spec->blocks[0].statistics, fw::dsp::kMean | fw::dsp::kDeviation);
  EXPECT_EQ(spec->anomaly.kind, wire::model::AnomalyKind::mahalanobis);
}

TEST(ImpulseFile, NamesWhatIsWrong) {
  EXPECT_EQ(wrong(kFan), "parsed");
  EXPECT_SAYS(wrong("[impulse\n"), "at line 1, column 9 of fan.toml");
  EXPECT_SAYS(wrong(without(kFan, "window_ms", "windw_ms")), "windw_ms is not known here in [impulse] of fan.toml");
  EXPECT_SAYS(wrong(without(kFan, "\"mean\"", "\"meen\"")), "statistics has \"meen\"");
  EXPECT_SAYS(wrong(without(kFan, "type = \"flatten\"", "type = \"flat\"")), "[[dsp]] number 1 of fan.toml");
  EXPECT_SAYS(wrong(without(kFan, "stride_ms = 200", "stride_ms = 500")), "stride_ms must be");
  EXPECT_SAYS(wrong(without(kFan, "frequency_hz = 50", "frequency_hz = \"fast\"")), "frequency_hz is no number");
  EXPECT_SAYS(wrong(without(kFan, "fit = \"normal\"")), "fit is missing");
  EXPECT_SAYS(wrong(std::string(kFan) + "[smoothing]\nkind = \"majority\"\nlength = 3\ncount = 4\n"),
              "count is more than length");
  EXPECT_SAYS(wrong(std::string(kFan) + "[extra]\n"), "extra is not known here");
  EXPECT_SAYS(wrong("name = \"x\"\n"), "[impulse] is missing");
}

TEST(Recordings, ReadsItsFormats) {
  const auto plain = parse_recording("1, 2\n3.5,-4e1\n", "a.csv");
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_EQ(plain->axes, 2U);
  EXPECT_EQ(plain->values, (std::vector<float>{1, 2, 3.5F, -40}));
  EXPECT_EQ(plain->frequency_hz, 0);
  const auto timed = parse_recording("\xEF\xBB\xBFtimestamp;x\r\n0;1\r\n10;2\r\n20;3\r\n", "b.CSV");
  ASSERT_TRUE(timed) << timed.error().message();
  EXPECT_EQ(timed->axes, 1U);
  EXPECT_NEAR(timed->frequency_hz, 100, 1e-9);
  EXPECT_SAYS(parse_recording("1,2\n3\n", "c.csv").error().message(), "at line 2 of c.csv");
  EXPECT_SAYS(parse_recording("1,2\n3,x\n", "c.csv").error().message(), "column 2 is no number");
  EXPECT_FALSE(parse_recording("", "d.csv"));
  const auto json = parse_recording(
      R"({"protected":{"ver":"v1","alg":"none"},"signature":"","payload":{"device_type":"T","interval_ms":10,"sensors":[{"name":"a","units":"g"}],"values":[1,2,3]}})",
      "e.json");
  ASSERT_TRUE(json) << json.error().message();
  EXPECT_EQ(json->values, (std::vector<float>{1, 2, 3}));
  EXPECT_NEAR(json->frequency_hz, 100, 1e-9);
  EXPECT_FALSE(parse_recording("x", "f.bin"));
}

class Fan : public testing::Test {
 protected:
  void SetUp() override {
    for (int file = 0; file < 6; ++file) dir_.put("normal/" + std::to_string(file) + ".csv", wave(1.0, file * 37));
    dir_.put("normal/README.md", "passed over");
  }
  /// 40 readings of two axes: a swing of that size, and noise from a fixed generator.
  static std::string wave(double size, int seed) {
    std::string text;
    std::uint32_t state = static_cast<std::uint32_t>(seed) * 2654435761U + 1;
    const auto noise = [&state] {
      state = state * 1664525U + 1013904223U;
      return static_cast<double>(state >> 8U) / (1U << 24U) - 0.5;
    };
    for (int n = 0; n < 40; ++n)
      text += std::to_string(size * std::sin(n * 0.7 + seed) + 0.3 * noise()) + "," +
              std::to_string(size * std::cos(n * 0.7) + 0.3 * noise()) + "\n";
    return text;
  }
  Result<HostImpulse> compile_fan(const std::string& text) {
    auto spec = parse_impulse(text, "fan.toml");
    if (!spec) return pass(spec.error());
    auto built = build_impulse(*spec, dir_.path(), nullptr, "fan.toml");
    if (!built) return pass(built.error());
    fitted_ = built->fitted;
    PackageOptions options;
    options.impulse = built->section;
    auto compiled = compile(nullptr, options, "fan.toml");
    if (!compiled) return pass(compiled.error());
    package_ = compiled->package;
    return HostImpulse::open(compiled->package, "fan.tmlm");
  }
  static std::vector<float> window(double size, int seed) {
    auto values = parse_recording(wave(size, seed), "x.csv")->values;
    values.resize(40);
    return values;
  }
  test::TempDir dir_;
  FittedAnomaly fitted_;
  Bytes package_;
};

TEST_F(Fan, FitsBothKinds) {
  for (const std::string kind : {"mahalanobis", "k_means"}) {
    SCOPED_TRACE(kind);
    auto impulse = compile_fan(without(kFan, "\"mahalanobis\"", "\"" + kind + "\"\nclusters = 2"));
    ASSERT_TRUE(impulse) << impulse.error().message();
    EXPECT_EQ(fitted_.windows, 18U);
    EXPECT_GT(fitted_.threshold, fitted_.largest);
    const auto normal = impulse->run_window(window(1.0, 0));
    const auto strange = impulse->run_window(window(4.0, 99));
    ASSERT_TRUE(normal && strange);
    EXPECT_EQ(normal->features.size(), 4U);
    EXPECT_FALSE(normal->is_anomaly) << *normal->anomaly;
    EXPECT_TRUE(strange->is_anomaly) << *strange->anomaly;
    const auto first = package_;
    ASSERT_TRUE(compile_fan(without(kFan, "\"mahalanobis\"", "\"" + kind + "\"\nclusters = 2")));
    EXPECT_EQ(first, package_);
  }
}

TEST_F(Fan, TakesAFittedModelFromAFile) {
  auto one = compile_fan(kFan);
  ASSERT_TRUE(one) << one.error().message();
  dir_.put("fan.anomaly", {reinterpret_cast<const char*>(fitted_.model.data()), fitted_.model.size()});
  const auto first = package_;
  auto two = compile_fan(without(kFan, "fit = \"normal\"", "fitted = \"fan.anomaly\""));
  ASSERT_TRUE(two) << two.error().message();
  EXPECT_EQ(package_, first);
  auto other = compile_fan(without(without(kFan, "fit = \"normal\"", "fitted = \"fan.anomaly\""), "\"mean\", "));
  EXPECT_SAYS(other.error().message(), "another number of features");
}

TEST_F(Fan, SaysWhatStopsAFit) {
  EXPECT_SAYS(compile_fan(without(kFan, "fit = \"normal\"", "fit = \"missing\"")).error().message(), "missing");
  EXPECT_SAYS(compile_fan(without(kFan, "axes = [0, 1]", "axes = [0, 2]")).error().message(), "there is no axis 2");
  EXPECT_SAYS(compile_fan(without(kFan, "window_ms = 400", "window_ms = 4000")).error().message(),
              "normal windows to fit on");
  dir_.put("same/a.csv", [] {
    std::string text;
    for (int n = 0; n < 200; ++n) text += "1,1\n";
    return text;
  }());
  EXPECT_SAYS(compile_fan(without(kFan, "fit = \"normal\"", "fit = \"same\"")).error().message(), "no feature changes");
}

TEST(ImpulseFile, NoLevelGateOnAPicture) {
  const std::string camera =
      "[impulse]\n[[dsp]]\ntype = \"image\"\nimage_width = 4\nimage_height = 4\nimage_channels = 1\n";
  EXPECT_EQ(wrong(camera), "parsed");
  EXPECT_EQ(wrong(camera + "[gate]\nkind = \"label\"\nlabel = 1\n"), "parsed");
  EXPECT_SAYS(wrong(camera + "[gate]\nkind = \"level\"\naxis = 0\n"), "kind of [gate] is \"level\"");
}

TEST_F(Fan, GateOnAnAxisThatIsNotThere) {
  const std::string gate = "[gate]\nkind = \"level\"\nthreshold = 1\naxis = ";
  EXPECT_TRUE(compile_fan(kFan + gate + "1\n"));
  const auto refused = compile_fan(kFan + gate + "2\n");
  ASSERT_FALSE(refused);
  EXPECT_SAYS(refused.error().message(), "axis is 2, but a window has 2 axes");
  EXPECT_SAYS(refused.error().message(), "in [gate] of fan.toml");
  EXPECT_SAYS(refused.error().hint, "from 0 to 1");
  // Axes that are counted in the recordings are checked too.
  EXPECT_FALSE(compile_fan(without(kFan, "axes = [0, 1]\n") + gate + "2\n"));
}

using wire::model::ImpulseHead;

/// What compiling ends with for a section with a changed head.
std::string changed(const Graph* graph, Bytes section, const std::function<void(ImpulseHead&)>& change) {
  ImpulseHead head;
  std::memcpy(&head, section.data(), sizeof head);
  change(head);
  std::memcpy(section.data(), &head, sizeof head);
  PackageOptions options;
  options.impulse = std::move(section);
  const auto compiled = compile(graph, options, "fan.toml");
  return compiled ? "compiled" : compiled.error().message();
}

TEST_F(Fan, WritesNoPackageThatABoardRefuses) {
  ASSERT_TRUE(compile_fan(kFan));
  const auto view = wire::model::open(package_).view.impulse();
  const Bytes good(view.begin(), view.end());
  const auto with = [&](const std::function<void(ImpulseHead&)>& change) { return changed(nullptr, good, change); };
  EXPECT_EQ(with([](ImpulseHead&) {}), "compiled");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.sensor[0] = '>'; }), "a board would refuse the impulse: the sensor's name");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.sensor[0] = '\t'; }), "the sensor's name");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.sensor.fill('a'); }), "the sensor's name");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.axes[1] = 20; }), "an axis that no sensor has");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.anomaly = wire::model::AnomalyKind::k_means; }), "of another kind");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.gate = wire::model::Gate::level, h.gate_label = 2; }), "the gate's level");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.frequency_hz = 2e6F; }), "the rate");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.features = 5; }), "another number of features");
}

TEST(Camera, WritesNoPackageThatABoardRefuses) {
  test::TfliteBuilder model;
  const int in = model.tensor({1, 4, 4, 1});
  const int out = model.tensor({1, 4, 4, 1});
  model.op(Op::relu, {in}, {out});
  model.inputs = {in};
  model.outputs = {out};
  const auto graph = read_tflite(model.build(), "camera.tflite");
  ASSERT_TRUE(graph) << graph.error().message();
  const auto spec = parse_impulse(
      "[impulse]\n[[dsp]]\ntype = \"image\"\nimage_width = 4\nimage_height = 4\nimage_channels = 1\n", "fan.toml");
  ASSERT_TRUE(spec) << spec.error().message();
  const auto built = build_impulse(*spec, ".", &*graph, "fan.toml");
  ASSERT_TRUE(built) << built.error().message();
  const auto with = [&](const std::function<void(ImpulseHead&)>& change) {
    return changed(&*graph, built->section, change);
  };
  EXPECT_EQ(with([](ImpulseHead&) {}), "compiled");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.image_width = 2, h.image_height = 8; }), "an image block of another size");
  EXPECT_SAYS(with([](ImpulseHead& h) { h.gate = wire::model::Gate::level; }), "level of a picture");
}

TEST_F(Fan, ReadsNoDamagedSection) {
  ASSERT_TRUE(compile_fan(kFan));
  const auto section = wire::model::open(package_).view.impulse();
  const auto start = static_cast<std::size_t>(section.data() - package_.data());
  // Whatever one byte becomes, reading answers; the hash is not looked at here.
  for (std::size_t at = 0; at < section.size(); ++at)
    for (const int value : {0x00, 0x7F, 0x80, 0xFF}) {
      auto damaged = package_;
      damaged[start + at] = static_cast<std::uint8_t>(value);
      static_cast<void>(read_impulse(wire::model::open(damaged).view, "damaged"));
    }
}

}  // namespace
}  // namespace tml::model
