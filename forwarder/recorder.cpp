// SPDX-License-Identifier: Apache-2.0
#include "forwarder/recorder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace tml::forwarder {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<std::unique_ptr<Recorder>> Recorder::create(const std::string& path) {
  auto shared = std::make_shared<Shared>();
  shared->path = path;
  shared->fd = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!shared->fd.valid()) return fail_errno(errno, "cannot write the recording", path);
  return std::unique_ptr<Recorder>(new Recorder(std::move(shared)));
}

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
  bytes_ += batch.bytes.size();
  write(std::move(out));
}

void Recorder::interruption() {
  // Nothing came yet: no log to interrupt, and a record before its head would spoil it.
  if (!begun_) return;
  std::string out;
  writer_.add(LogKind::interruption, last_, {}, out);
  write(std::move(out));
}

void Recorder::write(std::string bytes) {
  if (overrun_ || bytes.empty()) return;
  if (shared_->waiting + bytes.size() > kMaxWaiting) {
    overrun_ = true;
    return;
  }
  shared_->waiting += bytes.size();
  worker_.post([shared = shared_, bytes = std::move(bytes)] {
    std::string_view left = bytes;
    while (!left.empty() && !shared->error) {
      const ssize_t done = ::write(shared->fd.get(), left.data(), left.size());
      if (done >= 0) {
        left.remove_prefix(static_cast<std::size_t>(done));
      } else if (errno != EINTR) {
        shared->error = fail_errno(errno, "cannot write the recording", shared->path).value();
      }
    }
    shared->waiting -= bytes.size();
  });
}

Result<void> Recorder::close() {
  worker_.join();
  if (shared_->error) return pass(*shared_->error);
  if (overrun_) {
    return fail(Errc::io, "the disk was too slow: the recording ends early", shared_->path,
                "What it holds is whole; record to a faster disk.");
  }
  if (::fsync(shared_->fd.get()) != 0 && errno != EINVAL && errno != EROFS)
    return fail_errno(errno, "cannot write the recording", shared_->path);
  return {};
}

}  // namespace tml::forwarder
