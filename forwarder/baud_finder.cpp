// SPDX-License-Identifier: Apache-2.0
#include "forwarder/baud_finder.hpp"

#include <algorithm>
#include <array>

namespace tml::forwarder {

std::span<const std::uint32_t> BaudFinder::usual_rates() {
  static constexpr std::array<std::uint32_t, 10> kRates{115'200,   921'600, 460'800, 230'400, 3'000'000,
                                                        1'000'000, 57'600,  38'400,  19'200,  9'600};
  return kRates;
}

BaudFinder::BaudFinder(std::uint32_t hint) {
  if (hint != 0) rates_.push_back(hint);
  for (const std::uint32_t rate : usual_rates()) {
    if (rate != hint) rates_.push_back(rate);
  }
}

void BaudFinder::begin(stream::Time now) {
  detector_ = stream::Detector();
  since_ = now;
  bytes_ = 0;
}

void BaudFinder::push(std::span<const std::byte> bytes, stream::Time arrival) {
  heard_ = heard_ || !bytes.empty();
  if (arrival < since_ + kSkip) return;
  bytes_ += bytes.size();
  detector_.push(bytes, arrival);
}

void BaudFinder::judge(const stream::Verdict& verdict) {
  const bool known = verdict.kind == stream::StreamKind::text || verdict.kind == stream::StreamKind::frames;
  if (!known || verdict.score <= best_score_) return;
  best_score_ = verdict.score;
  best_rate_ = rate();
}

BaudFinder::Step BaudFinder::step(stream::Time now) {
  const stream::Verdict& verdict = detector_.verdict();
  if (verdict.kind == stream::StreamKind::text || verdict.kind == stream::StreamKind::frames) {
    judge(verdict);
    if (best_rate_ == rate() && verdict.score >= kGood && verdict.readings >= kReadings) return Step::found;
  } else if (verdict.kind == stream::StreamKind::unknown && now - since_ < (bytes_ == 0 ? kSilence : kListen)) {
    return Step::listen;
  } else if (bytes_ != 0) {
    judge(detector_.decide());
  }
  at_ = (at_ + 1) % rates_.size();
  if (at_ == 0) {
    ++rounds_;
    if (best_rate_ != 0) return Step::found;
  }
  return Step::next;
}

}  // namespace tml::forwarder
