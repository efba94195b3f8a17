// SPDX-License-Identifier: Apache-2.0
#include "common/spool/verdict.hpp"

#include <algorithm>
#include <cctype>

#include "common/base/json.hpp"

namespace tml::spool {

namespace {

std::string lower(std::string_view text) {
  std::string out(text.substr(0, 2000));
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// The cloud's exact wording is not known (wire reference 9.3), so this looks for what any wording of it must say.
bool says_duplicate(std::string_view text) {
  const std::string words = lower(text);
  return words.find("duplicate") != std::string::npos || words.find("already exist") != std::string::npos ||
         words.find("already in") != std::string::npos;
}

/// The first error that a JSON answer of /files reports, file by file or for the whole request; empty when it reports
/// success.
std::string reported_error(std::string_view body) {
  const auto json = parse_json(body, "answer");
  if (!json || !json->is_object()) return {};
  if (json_bool(*json, "success") == false) return json_string(*json, "error").value_or("no reason given");
  const Json* files = json_member(*json, "files");
  if (files == nullptr || !files->is_array()) return {};
  for (const Json& file : *files) {
    if (file.is_object() && json_bool(file, "success") == false)
      return json_string(file, "error").value_or("no reason given");
  }
  return {};
}

}  // namespace

Judgement judge(const Result<http::Response>& answer, std::string_view url, bool disallowed) {
  if (!answer) return {Verdict::retry, answer.error()};
  const http::Response& response = *answer;
  if (response.status == 200) {
    const std::string start = lower(std::string_view(response.body).substr(0, 16));
    if (start.starts_with("<!doctype") || start.starts_with("<html")) {
      return {Verdict::retry, Error{Errc::network,
                                    "the answer is a web page, not that of an ingestion service:",
                                    http::printable_url(url),
                                    "Check the host; a login page of the network may be in between",
                                    {}}};
    }
    const std::string problem = response.body.starts_with('{') ? reported_error(response.body) : std::string();
    if (problem.empty()) return {Verdict::delivered, {}};
    if (disallowed && says_duplicate(problem)) return {Verdict::duplicate, Error{Errc::duplicate, problem, {}, {}, {}}};
    return {Verdict::refused,
            Error{Errc::refused, "server refused the sample (" + problem + "):", http::printable_url(url), {}, {}}};
  }
  Error error = http::error_for_status(response, url);
  if (response.status == 401 || response.status == 403) return {Verdict::held, std::move(error)};
  if (response.status == 408 || response.status == 429 || response.status < 400 || response.status >= 500)
    return {Verdict::retry, std::move(error)};
  if (disallowed && (response.status == 409 || says_duplicate(response.body)))
    return {Verdict::duplicate, std::move(error)};
  error.code = Errc::refused;
  return {Verdict::refused, std::move(error)};
}

}  // namespace tml::spool
