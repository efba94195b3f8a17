// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a handler sees of HTTP: requests, responses and the handle to answer with. No networking library shows through.
//
// Ownership: a Request owns everything it shows; views into its body live as long as the Body does (copy the shared
// pointer to keep it on another thread). Threads: Request and Response are plain values; Responder may be used from any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/file.hpp"

namespace tml::httpd {

/// Header fields in arrival order; names compare without case (RFC 9110 section 5.1).
class Headers {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  /// The first field of that name.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  /// The first field of that name, or an empty text.
  [[nodiscard]] std::string_view get(std::string_view name) const { return find(name).value_or(std::string_view{}); }
  [[nodiscard]] bool has(std::string_view name) const { return find(name).has_value(); }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// A request or response body: bytes in memory, or a read-only mapping of an unlinked file (so that large bodies do not
/// count against the heap). Immutable once made.
class Body {
 public:
  Body() = default;
  explicit Body(std::string bytes) : bytes_(std::move(bytes)) {}
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body();

  /// Maps `size_bytes` of the file for reading. The descriptor may be closed afterwards.
  [[nodiscard]] static Result<std::shared_ptr<const Body>> map(int fd, std::size_t size_bytes);

  [[nodiscard]] std::string_view view() const {
    return mapping_ != nullptr ? std::string_view(mapping_, mapped_bytes_) : std::string_view(bytes_);
  }
  [[nodiscard]] bool is_mapped() const { return mapping_ != nullptr; }
  /// Tells the kernel that the pages of a mapping need not stay resident; reading them again works. No effect in
  /// memory.
  void release_pages() const;

 private:
  std::string bytes_;
  const char* mapping_ = nullptr;
  std::size_t mapped_bytes_ = 0;
};

/// Who is at the other end of a Unix socket, as the kernel tells it (SO_PEERCRED): of the process that connected.
struct PeerProcess {
  std::uint32_t uid = 0;
  std::int32_t pid = 0;
};

struct Request {
  std::string id;      ///< Unique in this process's life; also sent back as x-request-id.
  std::string method;  ///< Upper case.
  std::string path;    ///< As sent, before '?', not percent-decoded.
  std::string query;   ///< As sent, after '?'; see url.hpp.
  std::string remote;  ///< Address without port; "unix" for a Unix socket.
  bool tls = false;
  std::optional<PeerProcess> peer;  ///< Unix sockets only.
  Headers headers;
  std::shared_ptr<const Body> body;  ///< Null only while headers are being judged (see Handlers::admit).

  [[nodiscard]] std::string_view body_view() const { return body ? body->view() : std::string_view{}; }
};

struct Response {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::shared_ptr<const Body> shared_body;  ///< Used instead of `body` when set.
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;  ///< Close the connection afterwards.

  [[nodiscard]] static Response text(unsigned status, std::string body);
  [[nodiscard]] static Response json(unsigned status, std::string body);
};

/// Answers one request, once, from any thread. Copies share the one answer: the first send() counts, later ones are
/// ignored. If every copy goes away without an answer the client gets 500 (a fault of the handler, not of the client).
class Responder {
 public:
  class Impl {
   public:
    virtual ~Impl() = default;
    virtual void send(Response response) = 0;
  };
  explicit Responder(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  void send(Response response) const { impl_->send(std::move(response)); }

 private:
  std::shared_ptr<Impl> impl_;
};

[[nodiscard]] bool iequals(std::string_view left, std::string_view right);

}  // namespace tml::httpd
