// SPDX-License-Identifier: Apache-2.0
#include "common/model/impulse_file.hpp"

#include <algorithm>
#include <cmath>

#include "common/model/toml_reader.hpp"
#include "common/wire/model_package.hpp"
#include "firmware/dsp/anomaly.hpp"

namespace tml::model {
namespace {

namespace wm = wire::model;

class Parser {
 public:
  Parser(const toml::table& root, std::string_view where) : root_(root), where_(where) {}

  Result<ImpulseSpec> run() {
    TomlReader top(root_, std::string(where_), error_);
    names(top);
    if (const auto* table = section(top, "impulse")) impulse(*table);
    if (!root_.contains("impulse")) top.wrong("[impulse]", "is missing");
    blocks(top);
    if (const auto* table = section(top, "anomaly")) anomaly(*table);
    if (const auto* table = section(top, "smoothing")) smoothing(*table);
    if (const auto* table = section(top, "gate")) gate(*table);
    top.finish();
    if (!error_) whole(top);
    if (error_) return pass(*error_);
    return std::move(spec_);
  }

 private:
  const toml::table* section(TomlReader& top, const char* key) {
    const auto* node = top.find(key);
    if (node == nullptr) return nullptr;
    if (!node->is_table()) top.wrong(key, "is no table");
    return node->as_table();
  }
  std::string place(const char* key) const { return "[" + std::string(key) + "] of " + where_; }

  /// At the top of the file or in [impulse].
  void names(TomlReader& t) {
    if (t.has("name")) spec_.name = t.text("name");
    if (t.has("version")) spec_.version = t.text("version");
    if (t.has("labels")) spec_.labels = t.texts("labels", wm::kMaxLabels);
    if (t.has("labels_file")) spec_.labels_file = t.text("labels_file");
  }

  void impulse(const toml::table& table) {
    TomlReader t(table, place("impulse"), error_);
    names(t);
    spec_.sensor = t.text("sensor");
    const bool printable = std::all_of(spec_.sensor.begin(), spec_.sensor.end(),
                                       [](char c) { return c >= 0x20 && c <= 0x7E && c != ',' && c != '>'; });
    if (spec_.sensor.size() >= wm::kSensorNameBytes || !printable)
      t.wrong("sensor", "is longer than 64 characters, or has other than printable ASCII without , and >");
    for (const auto axis : t.integers("axes", wm::kMaxImpulseAxes, 0, 19))
      spec_.axes.push_back(static_cast<std::uint8_t>(axis));
    spec_.frequency_hz = t.number("frequency_hz", 0, 1e-3, 1e6);
    spec_.window_ms = t.number("window_ms", 0, 1e-3, 1e9);
    spec_.stride_ms = t.number("stride_ms", spec_.window_ms, 1e-3, 1e9);
    t.finish();
  }

  void blocks(TomlReader& top) {
    const auto* node = top.find("dsp");
    if (node == nullptr) return;
    const auto* list = node->as_array();
    if (list == nullptr) return top.wrong("dsp", "is no list of tables: write [[dsp]]");
    if (list->size() > wm::kMaxBlocks)
      return top.wrong("dsp", "has more than " + std::to_string(wm::kMaxBlocks) + " blocks");
    for (std::size_t n = 0; n < list->size(); ++n) {
      const auto* table = list->get(n)->as_table();
      if (table == nullptr) return top.wrong("dsp", "is no list of tables: write [[dsp]]");
      TomlReader t(*table, "[[dsp]] number " + std::to_string(n + 1) + " of " + std::string(where_), error_);
      spec_.blocks.push_back(read_block(t));
    }
  }

  void anomaly(const toml::table& table) {
    TomlReader t(table, place("anomaly"), error_);
    auto& a = spec_.anomaly;
    if (!t.has("kind")) t.wrong("kind", "is missing");
    a.kind = static_cast<wm::AnomalyKind>(t.choice("kind", 0, {"k_means", "mahalanobis", "reconstruction"}) + 1);
    a.fit = t.text("fit");
    a.fitted = t.text("fitted");
    a.clusters = static_cast<std::uint32_t>(t.integer("clusters", a.clusters, 1, fw::dsp::kMaxClusters));
    if (t.has("threshold")) a.threshold = t.number("threshold", 0, -1e9, 1e9);
    a.quantile = t.number("quantile", a.quantile, 0, 1);
    a.margin = t.number("margin", a.margin, 1e-3, 1e3);
    a.shrinkage = t.number("shrinkage", a.shrinkage, 0, 1);
    a.seed = static_cast<std::uint64_t>(t.integer("seed", 1, 0, std::numeric_limits<std::int64_t>::max()));
    for (const auto n : t.integers("features", fw::dsp::kMaxAnomalyInputs, 0, 65535))
      a.features.push_back(static_cast<std::uint16_t>(n));
    std::sort(a.features.begin(), a.features.end());
    a.features.erase(std::unique(a.features.begin(), a.features.end()), a.features.end());
    if (!a.fit.empty() && !a.fitted.empty()) t.wrong("fit", "and fitted exclude one another");
    if (a.kind == wm::AnomalyKind::reconstruction) {
      if (!a.threshold && a.fit.empty())
        t.wrong("threshold", "is missing: give one, or a folder of normal recordings with fit");
      if (!a.fitted.empty()) t.wrong("fitted", "means nothing for a reconstruction error");
    } else if (a.fit.empty() && a.fitted.empty()) {
      t.wrong("fit", "is missing: name a folder of normal recordings, or a fitted model with fitted");
    }
    t.finish();
  }

  void smoothing(const toml::table& table) {
    TomlReader t(table, place("smoothing"), error_);
    spec_.smoothing = static_cast<wm::Smoothing>(t.choice("kind", 0, {"none", "average", "majority"}));
    spec_.smoothing_length = static_cast<std::uint32_t>(t.integer("length", 1, 1, 32));
    spec_.smoothing_count = static_cast<std::uint32_t>(t.integer("count", 1, 1, 32));
    spec_.threshold = t.number("threshold", 0, 0, 1e9);
    if (spec_.smoothing_count > spec_.smoothing_length) t.wrong("count", "is more than length");
    t.finish();
  }

  void gate(const toml::table& table) {
    TomlReader t(table, place("gate"), error_);
    if (!t.has("kind")) t.wrong("kind", "is missing");
    spec_.gate = static_cast<wm::Gate>(t.choice("kind", 0, {"none", "label", "anomaly", "level"}));
    spec_.gate_index =
        static_cast<std::uint32_t>(t.integer(spec_.gate == wm::Gate::level ? "axis" : "label", 0, 0, 255));
    spec_.gate_threshold = t.number("threshold", 0, -1e9, 1e9);
    spec_.gate_hold = static_cast<std::uint32_t>(t.integer("hold", 1, 1, 65535));
    t.finish();
  }

  void whole(TomlReader& top) {
    if (spec_.image()) {
      if (spec_.blocks.size() != 1) top.wrong("dsp", "has more than the one image block that a camera takes");
      if (!spec_.axes.empty()) top.wrong("axes", "means nothing for a camera");
      if (spec_.gate == wm::Gate::level)
        top.wrong("kind", "of [gate] is \"level\", which a picture does not have: use \"label\" or \"anomaly\"");
      return;
    }
    if (spec_.frequency_hz <= 0) top.wrong("frequency_hz", "is missing in [impulse]");
    if (spec_.window_ms <= 0) top.wrong("window_ms", "is missing in [impulse]");
    const double window = std::round(spec_.window_ms * spec_.frequency_hz / 1000);
    if (window < 1 || window > static_cast<double>(fw::dsp::kMaxReadings))
      return top.wrong("window_ms", "makes " + std::to_string(window) + " readings; 1 to 1048576 are possible");
    if (spec_.stride_readings() < 1 || spec_.stride_readings() > spec_.window_readings())
      top.wrong("stride_ms", "must be at least one reading and at most the window");
  }

  const toml::table& root_;
  std::string where_;
  std::optional<Error> error_;
  ImpulseSpec spec_;
};

std::uint32_t readings(double ms, double hz) {
  return static_cast<std::uint32_t>(std::clamp(std::round(ms * hz / 1000), 0.0, 4e9));
}

}  // namespace

bool ImpulseSpec::image() const {
  return std::any_of(blocks.begin(), blocks.end(), [](const fw::dsp::BlockConfig& b) {
    return b.type == static_cast<std::uint8_t>(fw::dsp::BlockType::image);
  });
}
std::uint32_t ImpulseSpec::window_readings() const { return readings(window_ms, frequency_hz); }
std::uint32_t ImpulseSpec::stride_readings() const {
  return readings(stride_ms > 0 ? stride_ms : window_ms, frequency_hz);
}

Result<ImpulseSpec> parse_impulse(std::string_view text, std::string_view where) {
  if (text.size() > kMaxImpulseFile)
    return fail(Errc::limit, "the impulse file has " + std::to_string(text.size()) + " bytes", std::string(where),
                "256 KiB are possible");
  try {
    const auto root = toml::parse(text, std::string(where));
    return Parser(root, where).run();
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    return fail(
        Errc::malformed, "cannot read the impulse file: " + std::string(error.description()),
        "at line " + std::to_string(at.line) + ", column " + std::to_string(at.column) + " of " + std::string(where),
        "It is TOML; docs/model-package.md has its grammar");
  }
}

}  // namespace tml::model
