// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/impulse_text.hpp"

#include <algorithm>
#include <array>

#include "common/wire/at.hpp"
#include "common/wire/number.hpp"
#include "firmware/app/model_slot.hpp"

namespace tml::fw::app {
namespace {

constexpr unsigned kDecimals = 6;
constexpr std::uint64_t kMillisecond = 1000;

}  // namespace

void put_time(Line& line, std::uint64_t us) {
  if (us > 0 && us < kMillisecond) {
    line.number(us).put(" us");
  } else {
    line.number(us / kMillisecond).put(" ms");
  }
}

void put_version(Line& line, std::uint32_t version) {
  line.number(version >> 24U).put('.').number(version >> 16U & 0xFFU).put('.').number(version & 0xFFFFU);
}

void print_left_out(Services& services, const ModelSlots& slots) {
  for (std::size_t n = 0; n < kModelBanks; ++n) {
    const ModelBank& bank = slots.bank(n);
    if (bank.state != ModelBank::State::refused || slots.impulse(n / kBanksPerSlot) != nullptr) continue;
    Line line;
    line.put("Slot ").put(ModelSlots::name(n)).put(" is refused and left out: ").put(text(bank.fault));
    if (!bank.why.empty()) line.put(" (").put(bank.why).put(')');
    services.out.text(line.view());
    services.out.text("\n");
  }
}

void print_no_model(Services& services, const ModelSlots& slots) {
  Line line;
  line.put("ERR: no model");
  for (std::size_t n = 0; n < kModelBanks; ++n) {
    const ModelBank& bank = slots.bank(n);
    if (bank.state != ModelBank::State::refused) continue;
    line.put(": slot ").put(ModelSlots::name(n)).put(" was refused, ").put(text(bank.fault));
    if (!bank.why.empty()) line.put(" (").put(bank.why).put(')');
  }
  services.out.text(line.view());
  services.out.text("\n");
}

void ResultPrinter::begin(const Stage& stage, ResultForm form, bool work) {
  stage_ = &stage;
  form_ = form;
  work_ = work;
  at_ = At::timing;
  label_ = 0;
}

void ResultPrinter::name(Services& services, std::size_t label) {
  // A package without labels: its scores go by number.
  if (stage_->impulse().package.header().label_count == 0) {
    Line number;
    number.number(label);
    services.out.text(number.view());
    return;
  }
  wire::write_without_prompt(stage_->impulse().package.label(label), services.sink());
}

void ResultPrinter::label(Services& services) {
  services.out.text(form_ == ResultForm::frame ? "    " : "  ");
  name(services, label_);
  Line line;
  line.put(": ").fixed(static_cast<double>(stage_->result().scores[label_]), kDecimals).put('\n');
  services.out.text(line.view());
}

bool ResultPrinter::write(Services& services) {
  const StageResult& result = stage_->result();
  // One score without a label is a regression; a package without a model may have labels, but no scores.
  const std::size_t named = std::min<std::size_t>(stage_->impulse().package.header().label_count, result.scores.size());
  const std::size_t labels = named == 0 && result.scores.size() > 1 ? result.scores.size() : named;
  while (at_ != At::done) {
    if (services.out.room() < Line::kMax) return false;
    Line line;
    switch (at_) {
      case At::timing:
        line.put("Timing: DSP ");
        put_time(line, result.cost.dsp_us);
        line.put(", inference ");
        put_time(line, result.cost.model_us);
        line.put(", anomaly ");
        put_time(line, result.cost.anomaly_us);
        line.put('\n');
        at_ = At::work;
        break;
      case At::work:
        at_ = At::title;
        if (!work_) break;
        line.put("Work: DSP ").number(result.cost.dsp_work).put(", inference ").number(result.cost.model_work);
        line.put(", anomaly ").number(result.cost.anomaly_work).put(' ');
        line.put(services.board.system.info().work_unit).put('\n');
        break;
      case At::title:
        at_ = At::labels;
        if (labels > 0) {
          line.put(form_ == ResultForm::fixed ? "Predictions:\n" : "#Classification predictions:\n");
        } else if (result.scores.size() == 1) {
          line.put("#Regression prediction: ").fixed(static_cast<double>(result.scores[0]), kDecimals).put('\n');
        }
        break;
      case At::labels:
        if (label_ < labels) {
          label(services);
          ++label_;
        } else {
          at_ = At::anomaly;
        }
        break;
      case At::anomaly:
        at_ = At::decision;
        if (!result.has_anomaly) break;
        line.put("Anomaly prediction: ").fixed(static_cast<double>(result.anomaly), kDecimals).put('\n');
        break;
      case At::decision:
        at_ = At::done;
        if (labels > 0 && result.decides) {
          services.out.text("Result: ");
          if (result.label < 0) {
            services.out.text("uncertain");
          } else {
            name(services, static_cast<std::size_t>(result.label));
          }
          line.put('\n');
        }
        if (result.has_anomaly) line.put(result.is_anomaly ? "Anomaly: yes\n" : "Anomaly: no\n");
        break;
      case At::done:
        break;
    }
    services.out.text(line.view());
  }
  return true;
}

void ValuesPrinter::begin(std::string_view title, dsp::Signal& values, std::size_t count) {
  title_ = title;
  values_ = &values;
  count_ = count;
  at_ = 0;
  begun_ = false;
}

bool ValuesPrinter::write(Output& out) {
  if (values_ == nullptr) return true;
  if (!begun_) {
    if (out.room() < Line::kMax) return false;
    out.text(title_);
    begun_ = true;
  }
  while (at_ < count_) {
    if (out.room() < Line::kMax) return false;
    std::array<float, kPiece> values{};
    const std::size_t count = std::min(kPiece, count_ - at_);
    if (!values_->read(at_, std::span(values).first(count))) {
      at_ = count_;
      break;
    }
    Line line;
    for (std::size_t i = 0; i < count; ++i) {
      std::array<char, 20> digits;
      const auto size = wire::format_shortest(values[i], digits);
      line.put(' ').put(size ? std::string_view(digits.data(), *size) : std::string_view("?"));
    }
    out.text(line.view());
    at_ += count;
  }
  out.text("\n");
  values_ = nullptr;
  return true;
}

}  // namespace tml::fw::app
