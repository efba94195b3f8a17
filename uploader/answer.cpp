// SPDX-License-Identifier: Apache-2.0
#include "uploader/answer.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <ctime>

#include "common/base/json.hpp"

namespace tml::uploader {
namespace {

constexpr std::int64_t kLongestRetryAfterMs = 600'000;
constexpr std::uint64_t kMostFiles = 1000;  // Wire reference 5.

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

Answer failed(Answer::Kind kind, Error error) {
  Answer answer;
  answer.kind = kind;
  answer.error = std::move(error);
  return answer;
}

Answer unexpected(std::string what, std::string_view url) {
  return failed(Answer::Kind::refused, Error{Errc::malformed, std::move(what), http::printable_url(url), {}, {}});
}

FileAnswer read_file_answer(const Json& file) {
  FileAnswer answer;
  answer.signature = json_string(file, "signature").value_or("");
  answer.upload_signature = json_string(file, "uploadSignature").value_or("");
  answer.sample_id = json_integer(file, "sampleId").value_or(0);
  if (json_bool(file, "success").value_or(false)) {
    answer.kind = FileAnswer::Kind::stored;
    return answer;
  }
  answer.error = json_string(file, "error").value_or("the server refused the file without a reason");
  answer.kind = says_duplicate(answer.error) ? FileAnswer::Kind::duplicate : FileAnswer::Kind::refused;
  return answer;
}

Answer read_accepted(const http::Response& response, std::string_view url, std::size_t expected) {
  JsonLimits limits;
  limits.max_values = 64 * kMostFiles;
  const auto json = parse_json(response.body, "answer", limits);
  if (!json || !json->is_object()) return unexpected("the answer is no JSON object:", url);
  if (!json_bool(*json, "success").value_or(false)) {
    std::string why = json_string(*json, "error").value_or("the server refused the request without a reason");
    if (expected == 1 && says_duplicate(why)) {
      Answer answer;
      answer.kind = Answer::Kind::files;
      answer.files.push_back({FileAnswer::Kind::duplicate, std::move(why), {}, {}, 0});
      return answer;
    }
    return failed(Answer::Kind::refused, Error{Errc::refused, std::move(why), {}, {}, {}});
  }
  Answer answer;
  answer.kind = Answer::Kind::files;
  const Json* files = json_member(*json, "files");
  if (files != nullptr && files->is_array()) {
    for (const Json& file : *files) answer.files.push_back(read_file_answer(file));
  }
  if (expected == 1) {
    // Attachments and label files may be counted too; one refusal counts for the sample.
    if (answer.files.empty()) answer.files.push_back({FileAnswer::Kind::stored, {}, {}, {}, 0});
    for (const FileAnswer& file : answer.files) {
      if (file.kind == FileAnswer::Kind::stored) continue;
      answer.files.front() = FileAnswer(file);
      break;
    }
    answer.files.resize(1);
  }
  if (answer.files.size() != expected) {
    return unexpected("the answer speaks of " + std::to_string(answer.files.size()) + " files, not of " +
                          std::to_string(expected) + ":",
                      url);
  }
  return answer;
}

}  // namespace

bool says_duplicate(std::string_view error) {
  const std::string text = lower(error);
  return text.find("duplicate") != std::string::npos || text.find("already exists") != std::string::npos;
}

std::optional<Millis> read_retry_after(std::string_view value, std::int64_t now_unix_ms) {
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  std::uint32_t seconds = 0;
  const auto number = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (number.ec == std::errc() && number.ptr == value.data() + value.size()) {
    return Millis(std::min<std::int64_t>(std::int64_t{seconds} * 1000, kLongestRetryAfterMs));
  }
  std::tm time{};
  const std::string text(value.substr(0, 64));
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const std::int64_t wait = std::int64_t{::timegm(&time)} * 1000 - now_unix_ms;
  return Millis(std::clamp<std::int64_t>(wait, 0, kLongestRetryAfterMs));
}

Answer read_answer(const Result<http::Response>& response, std::string_view url, std::size_t expected) {
  if (!response) {
    const Errc code = response.error().code;
    const bool later = code == Errc::network || code == Errc::timeout || code == Errc::interrupted;
    return failed(later ? Answer::Kind::retry : Answer::Kind::refused, response.error());
  }
  if (response->status == 200) return read_accepted(*response, url, expected);
  Error error = http::error_for_status(*response, url);
  const int status = response->status;
  if (status == 408 || status == 429 || status >= 500) {
    Answer answer = failed(Answer::Kind::retry, std::move(error));
    answer.retry_after = read_retry_after(response->header("retry-after"), system_clock().unix_ms());
    return answer;
  }
  if (status == 401 || status == 403) return failed(Answer::Kind::fatal, std::move(error));
  if (expected == 1 && says_duplicate(error.what)) {
    Answer answer;
    answer.kind = Answer::Kind::files;
    answer.files.push_back({FileAnswer::Kind::duplicate, error.what, {}, {}, 0});
    return answer;
  }
  return failed(Answer::Kind::refused, std::move(error));
}

ServerFacts read_extensions(const http::Response& response) {
  ServerFacts facts;
  facts.ours = !response.header("x-tml-server").empty();
  if (response.status != 200) return facts;
  const auto json = parse_json(response.body, "answer");
  if (!json || !json_bool(*json, "success").value_or(false)) return facts;
  const Json* names = json_member(*json, "extensions");
  if (names == nullptr || !names->is_array()) return facts;
  for (const Json& name : *names) {
    if (!name.is_string()) continue;
    facts.part_headers = facts.part_headers || name == "part-headers";
    facts.known_hashes = facts.known_hashes || name == "known-hashes";
  }
  const auto bounded = [&json](const char* key, std::uint64_t fallback) {
    const auto value = json_integer(*json, key);
    return value && *value > 0 ? static_cast<std::uint64_t>(*value) : fallback;
  };
  facts.max_files = static_cast<std::size_t>(std::min(bounded("maxFilesPerRequest", 1), kMostFiles));
  facts.max_request_bytes = bounded("maxRequestBytes", 0);
  facts.max_file_bytes = bounded("maxFileBytes", 0);
  return facts;
}

Result<std::vector<bool>> read_known(const http::Response& response, std::size_t expected) {
  const auto json = parse_json(response.body, "answer to known-hashes");
  if (!json) return pass(json.error());
  const Json* known = json_member(*json, "known");
  if (!json_bool(*json, "success").value_or(false) || known == nullptr || !known->is_array() ||
      known->size() != expected) {
    return fail(Errc::malformed, "unexpected answer to known-hashes");
  }
  std::vector<bool> result;
  for (const Json& one : *known) {
    if (!one.is_boolean()) return fail(Errc::malformed, "unexpected answer to known-hashes");
    result.push_back(one.get<bool>());
  }
  return result;
}

}  // namespace tml::uploader
