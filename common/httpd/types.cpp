// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/httpd/types.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

namespace tml::httpd {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool iequals(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (iequals(key, name)) return std::string_view(value);
  }
  return std::nullopt;
}

Body::~Body() {
  // munmap wants a pointer to non-const; the pages themselves are never written through it.
  if (mapping_ != nullptr) ::munmap(const_cast<char*>(mapping_), mapped_bytes_);
}

Result<std::shared_ptr<const Body>> Body::map(int fd, std::size_t size_bytes) {
  auto body = std::make_shared<Body>();
  if (size_bytes == 0) return std::shared_ptr<const Body>(std::move(body));
  void* at = ::mmap(nullptr, size_bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return fail_errno(errno, "cannot map a file");
  ::madvise(at, size_bytes, MADV_SEQUENTIAL);
  body->mapping_ = static_cast<const char*>(at);
  body->mapped_bytes_ = size_bytes;
  return std::shared_ptr<const Body>(std::move(body));
}

void Body::release_pages() const {
  if (mapping_ != nullptr) ::madvise(const_cast<char*>(mapping_), mapped_bytes_, MADV_DONTNEED);
}

Response Response::text(unsigned status, std::string body) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Response Response::json(unsigned status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

}  // namespace tml::httpd
