// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "forwarder/sources.hpp"

namespace tml::forwarder {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

class StdinSource final : public Source {
 public:
  explicit StdinSource(const SourceWorld& world) : world_(world), pump_(world.executor) {}

  Awaitable<Result<void>> run(SourceSink& sink) override {
    pump_.begin();
    SourceFacts facts;
    facts.where = "standard input";
    struct stat input {};
    facts.from_start = ::fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode);
    facts.identity.topology = "stdin@" + host_name();
    sink.on_open(facts);
    TapOptions options;
    options.lossy = false;
    options.max_bytes = std::size_t{1} << 20U;
    auto on_batch = [&sink](const Batch& batch) { sink.on_batch(batch); };
    auto end = co_await pump_.run(world_.reader, STDIN_FILENO, options, std::move(on_batch));
    if (!end) co_return pass(end.error());
    if (!end->has_value()) co_return fail(Errc::interrupted, "stopped", name_);
    if (**end != 0) co_return fail_errno(**end, "cannot read standard input");
    co_return Result<void>{};
  }
  void stop() override { pump_.stop(); }
  bool hold(bool on) override {
    pump_.pause(on);
    return true;
  }
  bool comes_back() const override { return false; }
  Awaitable<Result<void>> set_baud(std::uint32_t) override {
    co_return fail(Errc::unsupported, "standard input has no line rate", "--baud-rate");
  }
  const std::string& name() const override { return name_; }

 private:
  SourceWorld world_;
  std::string name_ = "-";
  FdPump pump_;
};

}  // namespace

std::unique_ptr<Source> make_stdin_source(const SourceWorld& world) { return std::make_unique<StdinSource>(world); }

}  // namespace tml::forwarder
