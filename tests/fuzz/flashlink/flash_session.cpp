// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Whatever a board sends to the host's end of the flash link: HELLO, rates, questions and a whole transfer against a
// stream whose bytes are the input. Pieces of it are taken as they are, or put into frames with the right checksum and
// the id of the last request, so that the input also gets behind them. Time is virtual; nothing may crash, hang or
// report success for an object that was not taken.
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "common/base/spawn.hpp"
#include "common/flashlink/transfer.hpp"

namespace {

using namespace tml;
namespace flash = wire::flash;

class FuzzStream final : public serial::ByteStream {
 public:
  explicit FuzzStream(std::span<const std::byte> input) : input_(input) {}

  serial::Awaitable<Result<std::size_t>> read_some(std::span<std::byte> out,
                                                   std::chrono::nanoseconds deadline) override {
    co_await boost::asio::post(boost::asio::use_awaitable);
    if (pending_.empty() && !input_.empty()) next_piece();
    if (pending_.empty()) {
      // Without more input the clock runs to the end of everything that waits.
      if (deadline > clock_.steady()) clock_.advance(deadline - clock_.steady());
      clock_.advance(std::chrono::milliseconds(1));
      co_return fail(Errc::timeout, "silence");
    }
    const std::size_t count = std::min(out.size(), pending_.size());
    std::copy_n(pending_.begin(), count, out.begin());
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    clock_.advance(std::chrono::microseconds(100));
    co_return count;
  }
  serial::Awaitable<Result<void>> write_all(std::span<const std::byte> bytes, std::chrono::nanoseconds) override {
    for (const std::byte byte : bytes) {
      if (decoder_.push(byte) != wire::CobsDecoder::Event::frame) continue;
      const auto parsed = flash::parse_frame(decoder_.frame(), session_, true);
      if (parsed && parsed->frame.kind == flash::Kind::request) {
        id_ = parsed->frame.id;
        op_ = parsed->frame.op;
      }
    }
    co_return Result<void>{};
  }
  serial::Awaitable<Result<void>> set_baud(std::uint32_t rate) override {
    baud_ = rate;
    co_return Result<void>{};
  }
  [[nodiscard]] std::uint32_t baud() const override { return baud_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void cancel() override {}
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  std::byte take() {
    if (input_.empty()) return std::byte{0};
    const std::byte byte = input_.front();
    input_ = input_.subspan(1);
    return byte;
  }
  std::span<const std::byte> take(std::size_t count) {
    const auto piece = input_.first(std::min(count, input_.size()));
    input_ = input_.subspan(piece.size());
    return piece;
  }
  void next_piece() {
    const auto how = std::to_integer<unsigned>(take());
    const auto piece = take(std::to_integer<std::size_t>(take()) * (how >= 0x80 ? 4U : 1U));
    flash::Frame frame;
    frame.id = id_;
    frame.op = op_;
    frame.payload = piece;
    switch (how % 6) {
      case 0:
        pending_.assign(piece.begin(), piece.end());
        return;
      case 1:
        frame.kind = flash::Kind::ack;
        break;
      case 2:
        frame.kind = flash::Kind::event;
        frame.op = static_cast<std::uint8_t>(flash::Op::working);
        break;
      case 3:
        frame.kind = flash::Kind::reply;
        frame.status = static_cast<std::uint8_t>(how / 6);
        break;
      default:
        frame.kind = flash::Kind::reply;
        break;
    }
    std::array<std::byte, flash::kMaxEncodedFrame> room{};
    const bool hello = op_ == static_cast<std::uint8_t>(flash::Op::hello) && frame.kind == flash::Kind::reply;
    if (hello && piece.size() >= 3) {
      session_ =
          static_cast<std::uint16_t>(std::to_integer<unsigned>(piece[1]) | std::to_integer<unsigned>(piece[2]) << 8U);
    }
    const auto size = flash::encode_frame(frame, hello ? std::uint16_t{0} : session_, true, room);
    if (size) pending_.assign(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*size));
  }

  std::span<const std::byte> input_;
  std::vector<std::byte> pending_;
  std::array<std::byte, flash::kMaxFrameBytes> memory_{};
  wire::CobsDecoder decoder_{memory_};
  ManualClock clock_;
  std::uint32_t baud_ = 115'200;
  std::uint16_t session_ = 0;
  std::uint8_t id_ = 0;
  std::uint8_t op_ = 0;
  std::string name_ = "fuzz";
};

serial::Awaitable<bool> talk(FuzzStream& stream, const flashlink::SignedObject& object) {
  SeededRandom random(1);
  flashlink::Session session(stream, random);
  auto identity = co_await session.connect(Millis{300});
  if (!identity) co_return false;
  auto rate = co_await session.raise_baud();
  if (!rate) co_return false;
  auto slots = co_await session.slots();
  auto keys = co_await session.key_list();
  auto log = co_await session.log(3);
  flashlink::TransferOptions options;
  options.slot = 3;
  options.base_slot = 2;
  flashlink::Transfer transfer(object.view(), options);
  auto done = co_await transfer.run(session);
  const auto& report = transfer.report();
  if (report.chunks != 3 || report.there > 3) std::abort();
  co_return done.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::flashlink;
  static const SignedObject object = [] {
    SignedObject made;
    made.payload.resize(9000, std::byte{0x55});
    made.list.resize(3 * 32);
    return made;
  }();
  boost::asio::io_context io(1);
  FuzzStream stream({reinterpret_cast<const std::byte*>(data), size});
  const auto ended = tml::run_to_end(io, talk(stream, object));
  if (!ended) std::abort();
  return 0;
}
