// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "forwarder/byte_log.hpp"
#include "forwarder/sources.hpp"

namespace tml::forwarder {
namespace {

constexpr std::size_t kBlock = std::size_t{256} * 1024;
/// Pauses shorter than this are made up for later: timers are not finer.
constexpr Millis kShortest{2};
/// The loop gets its turn between batches of this size.
constexpr std::size_t kBatchBytes = std::size_t{64} * 1024;

struct File {
  std::ifstream stream;
};

class ReplaySource final : public Source {
 public:
  ReplaySource(const SourceWorld& world, std::string file, double speed)
      : world_(world), file_(std::move(file)), speed_(speed), pause_(world.executor), room_(world.executor) {
    room_.set();
  }

  Awaitable<Result<void>> run(SourceSink& sink) override;
  void stop() override {
    stopped_ = true;
    pause_.wake();
    room_.set();
  }
  bool hold(bool on) override {
    if (on && !stopped_) {
      room_.clear();
    } else {
      room_.set();
    }
    return true;
  }
  bool comes_back() const override { return false; }
  Awaitable<Result<void>> set_baud(std::uint32_t) override {
    co_return fail(Errc::unsupported, "a recording has no line rate", "--baud-rate");
  }
  const std::string& name() const override { return file_; }

 private:
  [[nodiscard]] Awaitable<Result<std::string>> read_block();
  [[nodiscard]] Awaitable<void> wait_until(stream::Time at);
  void open_once(const LogRecord* record, SourceSink& sink);
  void flush(SourceSink& sink);

  SourceWorld world_;
  std::string file_;
  double speed_;
  Pause pause_;
  Event room_;  // Set: somebody takes what comes.
  std::shared_ptr<File> opened_;
  ByteLogReader reader_;
  Batch batch_;
  std::optional<stream::Time> first_;  // In the recording.
  stream::Time began_{0};              // By the clock.
  bool told_ = false;
  bool stopped_ = false;
};

Awaitable<Result<std::string>> ReplaySource::read_block() {
  auto read = [file = opened_, name = file_]() -> Result<std::string> {
    std::string block(kBlock, '\0');
    file->stream.read(block.data(), static_cast<std::streamsize>(block.size()));
    if (file->stream.bad()) return fail(Errc::io, "cannot read the recording", name);
    block.resize(static_cast<std::size_t>(file->stream.gcount()));
    return block;
  };
  auto block = co_await world_.worker.run(std::move(read));
  co_return block;
}

Awaitable<void> ReplaySource::wait_until(stream::Time at) {
  if (speed_ <= 0 || stopped_) co_return;
  if (!first_) {
    first_ = at;
    began_ = world_.clock.steady();
  }
  const double due_s = stream::seconds_between(*first_, at) / speed_;
  const double now_s = stream::seconds_between(began_, world_.clock.steady());
  const auto wait = std::chrono::duration_cast<Millis>(std::chrono::duration<double>(due_s - now_s));
  if (wait >= kShortest) co_await pause_.wait_for(wait);
}

void ReplaySource::open_once(const LogRecord* record, SourceSink& sink) {
  if (std::exchange(told_, true)) return;
  SourceFacts facts;
  facts.live = false;
  facts.where = file_;
  facts.identity.topology = "file:" + file_;
  if (record != nullptr && record->kind == static_cast<char>(LogKind::information)) {
    auto json = parse_json(record->payload, file_);
    if (json) facts.device_id = json_string(*json, "device").value_or("");
  }
  sink.on_open(facts);
}

void ReplaySource::flush(SourceSink& sink) {
  if (!batch_.empty()) sink.on_batch(batch_);
  batch_.clear();
}

Awaitable<Result<void>> ReplaySource::run(SourceSink& sink) {
  opened_ = std::make_shared<File>();
  opened_->stream.open(file_, std::ios::binary);
  if (!opened_->stream.is_open()) co_return fail_errno(errno, "cannot open the recording", file_);
  while (!stopped_) {
    auto block = co_await read_block();
    if (!block) co_return pass(block.error());
    if (block->empty()) break;
    reader_.push(*block);
    while (!stopped_) {
      auto record = reader_.next();
      if (!record) {
        flush(sink);
        Error error = record.error();
        error.where = file_ + ", " + error.where;
        co_return pass(std::move(error));
      }
      if (!record->has_value()) break;
      // The payload lives until the next call of the reader, so it is used before anything is awaited but the clock.
      const LogRecord& now = **record;
      open_once(&now, sink);
      if (now.kind == static_cast<char>(LogKind::interruption)) {
        flush(sink);
        sink.on_break();
      }
      if (now.kind != static_cast<char>(LogKind::data)) continue;
      const bool waits = speed_ > 0 && first_.has_value();
      if (waits && !batch_.empty()) {
        const double ahead =
            stream::seconds_between(*first_, now.at) / speed_ - stream::seconds_between(began_, world_.clock.steady());
        if (ahead * 1000 >= static_cast<double>(kShortest.count())) {
          flush(sink);
          co_await room_.wait();
        }
      }
      co_await wait_until(now.at);
      if (stopped_) break;
      batch_.append(std::as_bytes(std::span(now.payload)), now.at);
      if (batch_.bytes.size() >= kBatchBytes) {
        flush(sink);
        co_await room_.wait();
      }
    }
  }
  if (stopped_) co_return fail(Errc::interrupted, "stopped", file_);
  open_once(nullptr, sink);
  flush(sink);
  if (reader_.torn_bytes() != 0)
    log_warning(file_ + " ends within a record: " + std::to_string(reader_.torn_bytes()) + " bytes are left out");
  co_return Result<void>{};
}

}  // namespace

std::unique_ptr<Source> make_replay_source(const SourceWorld& world, std::string file, double speed) {
  return std::make_unique<ReplaySource>(world, std::move(file), speed);
}

}  // namespace tml::forwarder
