// SPDX-License-Identifier: Apache-2.0
#include "forwarder/recorder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>

namespace tml::forwarder {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<std::unique_ptr<Recorder>> Recorder::create(const std::string& path, boost::asio::any_io_executor executor,
                                                   std::function<void(const Error&)> on_error) {
  auto shared = std::make_shared<Shared>();
  shared->path = path;
  shared->executor = std::move(executor);
  shared->on_error = std::move(on_error);
  shared->fd = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!shared->fd.valid()) return fail_errno(errno, "cannot write the recording", path);
  return std::unique_ptr<Recorder>(new Recorder(std::move(shared)));
}

Recorder::~Recorder() { shared_->on_error = nullptr; }

void Recorder::begin(std::string_view information, stream::Time now) {
  std::string out;
  ByteLogWriter::begin(out);
  writer_.add(LogKind::information, now, information, out);
  begun_ = true;
  last_ = now;
  write(std::move(out));
}

void Recorder::add(const Batch& batch) {
  std::string out;
  out.reserve(batch.bytes.size() + batch.pieces.size() * 12);
  batch.each([this, &out](std::span<const std::byte> bytes, stream::Time arrival) {
    writer_.add(LogKind::data, arrival, text_of(bytes), out);
    last_ = arrival;
  });
  write(std::move(out));
}

void Recorder::interruption() {
  // Nothing came yet: no log to interrupt, and a record before its head would spoil it.
  if (!begun_) return;
  std::string out;
  writer_.add(LogKind::interruption, last_, {}, out);
  write(std::move(out));
}

void Recorder::stop(Shared& shared, Error error) {
  if (shared.error) return;
  shared.error = std::move(error);
  if (shared.on_error) shared.on_error(*shared.error);
}

void Recorder::write(std::string bytes) {
  if (shared_->error || bytes.empty()) return;
  if (shared_->waiting + bytes.size() > kMaxWaiting) {
    return stop(*shared_, {Errc::io,
                           "the disk is too slow: the recording ends here:",
                           shared_->path,
                           "What it holds is whole; record to a faster disk.",
                           {}});
  }
  shared_->waiting += bytes.size();
  worker_.post([shared = shared_, bytes = std::move(bytes)] {
    write_on_worker(shared, bytes);
    shared->waiting -= bytes.size();
  });
}

void Recorder::write_on_worker(const std::shared_ptr<Shared>& shared, std::string_view bytes) {
  while (!bytes.empty() && !shared->failed) {
    const ssize_t done = ::write(shared->fd.get(), bytes.data(), bytes.size());
    if (done >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(done));
    } else if (errno != EINTR) {
      shared->failed = true;
      Error error = fail_errno(errno, "cannot write the recording, which ends here:", shared->path).value();
      boost::asio::post(shared->executor,
                        [shared, error = std::move(error)]() mutable { stop(*shared, std::move(error)); });
    }
  }
}

Awaitable<Result<void>> Recorder::close() {
  auto flush = [shared = shared_]() -> Result<void> {
    if (shared->failed) return {};
    if (::fsync(shared->fd.get()) != 0 && errno != EINVAL && errno != EROFS)
      return fail_errno(errno, "cannot write the recording", shared->path);
    return {};
  };
  // Behind all that was written; what failed there has been told by then.
  auto flushed = co_await worker_.run(std::move(flush));
  if (shared_->error) co_return pass(*shared_->error);
  co_return flushed;
}

}  // namespace tml::forwarder
