// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/ingest_extensions.hpp"

#include <algorithm>

#include "common/base/json.hpp"
#include "server/ingest.hpp"
#include "server/ingest_answers.hpp"
#include "server/samples.hpp"

namespace tml::server {
namespace {

constexpr std::size_t kHashChars = 64;

bool is_hash(std::string_view text) {
  return text.size() == kHashChars &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// Lower case throughout.
Result<std::vector<std::string>> read_hashes(std::string_view body) {
  auto parsed = parse_json(body, "the body", {3, 2 * kMaxHashesPerRequest, kMaxHashesBytes});
  if (!parsed) return pass(parsed.error());
  const Json* list = json_member(*parsed, "sha256");
  if (list == nullptr || !list->is_array()) return fail(Errc::malformed, "no list \"sha256\"", "the body");
  if (list->size() > kMaxHashesPerRequest) {
    return fail(Errc::limit, "more than " + std::to_string(kMaxHashesPerRequest) + " hashes in one request",
                "the body");
  }
  std::vector<std::string> hashes;
  hashes.reserve(list->size());
  for (const Json& item : *list) {
    std::string hash = item.is_string() ? item.get<std::string>() : std::string();
    std::transform(hash.begin(), hash.end(), hash.begin(),
                   [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (!is_hash(hash)) {
      return fail(Errc::malformed, "a hash is not 64 hex characters", "sha256[" + std::to_string(hashes.size()) + "]");
    }
    hashes.push_back(std::move(hash));
  }
  return hashes;
}

}  // namespace

httpd::Response extensions_answer() {
  return httpd::Response::json(200, json_text({{"success", true},
                                               {"extensions", {"part-headers", "known-hashes"}},
                                               {"maxFilesPerRequest", kMaxFilesPerRequest},
                                               {"maxRequestBytes", kMaxRequestBytes},
                                               {"maxFileBytes", kMaxFileBytes}}));
}

httpd::Response known_hashes_answer(Database& db, std::int64_t project, std::string_view body) {
  const auto hashes = read_hashes(body);
  if (!hashes) return refusal_answer(true, 400, hashes.error().message());
  const auto known = known_hashes(db, project, *hashes);
  if (!known) return refusal_answer(true, 500, known.error().message());
  return httpd::Response::json(200, json_text({{"success", true}, {"known", *known}}));
}

}  // namespace tml::server
