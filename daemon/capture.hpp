// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From a request to a sample that is on the disk: settings, start, read-out, signature check, spool commit, delete on
// the board, in this order (wire reference 2.7; docs/tml-daemon.md, "Capture"). A kill between any two steps loses
// nothing that was committed before and doubles nothing: the intent tells what a file found later belongs to, and
// put_capture() knows content that it has.
//
// Line noise: base64 carries no checksum, so a document that fails its signature is read again until it verifies or
// until two reads agree byte for byte (then the document itself is at fault, and is kept and flagged).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/sample/names.hpp"
#include "common/sample/signature.hpp"
#include "common/spool/async_spool.hpp"
#include "daemon/board.hpp"

namespace tml::daemon {

/// Reads of one file until the result counts as unstable.
inline constexpr unsigned kMaxReads = 4;

struct CaptureRequest {
  serial::SampleRequest sample;  ///< hmac_key empty: the board's own stays.
  sample::Category category = sample::Category::training;
  std::vector<std::string> verify_keys;  ///< Tried in order; empty ones are passed over.
};

struct CaptureObserver {
  serial::SampleEventFn on_event;
  serial::ReadProgressFn on_read;
  std::function<void(std::string_view why)> on_read_again;
};

struct Captured {
  std::string envelope;   ///< Empty when the board uploaded by itself.
  std::string file;       ///< As the board names it.
  std::string file_name;  ///< As the server will: the base name.
  std::string label;
  sample::Category category = sample::Category::training;
  std::uint64_t size_bytes = 0;
  sample::Verification verification = sample::Verification::unknown_key;
  bool uploaded_by_device = false;
  bool existing = false;  ///< Committed by an earlier run that did not get to deleting it on the board.
  unsigned reads = 0;
};

/// What is known of a file on a board, however it got there.
struct FileFacts {
  std::string file;
  serial::ReadTarget target;
  std::string label;
  sample::Category category = sample::Category::training;
  std::string path;  ///< "/api/training/data"
  std::int64_t intent_id = 0;
};

/// Samples, then take_file(). Committed when it returns a value. Errors: AtSession's, Spool's, Errc::verification for a
/// file that reads differently each time; on boards that store files the capture then still is on the board.
[[nodiscard]] Awaitable<Result<Captured>> capture(std::shared_ptr<Board> board, spool::AsyncSpool& spool,
                                                  CaptureRequest request, CaptureObserver observer);

/// Read-out, check, commit, delete on the board.
[[nodiscard]] Awaitable<Result<Captured>> take_file(std::shared_ptr<Board> board, spool::AsyncSpool& spool,
                                                    FileFacts facts, std::vector<std::string> verify_keys,
                                                    CaptureObserver observer);

/// What a read-out turned out to be. Pure.
struct Judgement {
  bool readable = false;  ///< A whole, well-formed document.
  sample::Verification verification = sample::Verification::failed;
  std::string content_type;
  /// Needs no second look: verified, or nothing to verify with.
  [[nodiscard]] bool settled() const;
};
[[nodiscard]] Judgement judge(sample::Bytes bytes, const std::vector<std::string>& keys);

}  // namespace tml::daemon
