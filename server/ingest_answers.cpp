// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/ingest_answers.hpp"

#include "common/base/json.hpp"
#include "common/sample/writer.hpp"

namespace tml::server {
namespace {

bool is_kept(const Stored& stored) {
  return stored.outcome == Stored::Outcome::stored || stored.outcome == Stored::Outcome::replayed;
}

std::string outcome_error(const Stored& stored) {
  if (stored.outcome == Stored::Outcome::duplicate) {
    return "duplicate: the project already holds this content as sample " + std::to_string(stored.id) + " (" +
           stored.file_name + ")";
  }
  return "x-tml-envelope already belongs to sample " + std::to_string(stored.id) + ", whose content is another";
}

// A tree of JSON objects for 1000 files costs more than storing them: the text is written as it comes.
void add_string(std::string& out, std::string_view key, std::string_view text) {
  out.append(",\"").append(key).append("\":");
  sample::append_json_string(out, text);
}

void add_number(std::string& out, std::string_view key, std::int64_t number) {
  out.append(",\"").append(key).append("\":").append(std::to_string(number));
}

void add_refused(std::string& out, const Refused& refused) {
  out += R"({"success":false)";
  add_string(out, "error", refused.reason);
  if (!refused.file_name.empty()) add_string(out, "fileName", refused.file_name);
  if (!refused.signature.empty()) add_string(out, "signature", refused.signature);
  out += '}';
}

void add_stored(std::string& out, std::int64_t project, const Stored& stored) {
  out += is_kept(stored) ? R"({"success":true)" : R"({"success":false)";
  if (!is_kept(stored)) add_string(out, "error", outcome_error(stored));
  add_number(out, "projectId", project);
  add_number(out, "sampleId", stored.id);
  add_string(out, "fileName", stored.file_name);
  add_string(out, "signature", stored.signature);
  if (!stored.upload_state.empty()) add_string(out, "uploadSignature", stored.upload_state);
  if (stored.outcome == Stored::Outcome::replayed) out += R"(,"existing":true)";
  out += '}';
}

}  // namespace

httpd::Response refusal_answer(bool as_json, unsigned status, std::string_view reason) {
  httpd::Response response = as_json ? httpd::Response::json(status, json_text({{"success", false}, {"error", reason}}))
                                     : httpd::Response::text(status, std::string(reason));
  if (status == 429) response.headers.emplace_back("retry-after", "1");
  return response;
}

httpd::Response data_answer(const Intake& file, const std::optional<Stored>& stored) {
  if (const auto* refused = std::get_if<Refused>(&file)) return refusal_answer(false, refused->status, refused->reason);
  if (!is_kept(*stored)) return refusal_answer(false, 400, outcome_error(*stored));
  httpd::Response response = httpd::Response::text(200, stored->file_name);
  response.headers.emplace_back("x-tml-sample-id", std::to_string(stored->id));
  if (stored->outcome == Stored::Outcome::replayed) response.headers.emplace_back("x-tml-replayed", "1");
  return response;
}

httpd::Response files_answer(std::int64_t project, const std::vector<Intake>& files,
                             const std::vector<std::optional<Stored>>& stored) {
  constexpr std::size_t kTypicalEntry = 128;
  std::string out = R"({"success":true,"files":[)";
  out.reserve(out.size() + files.size() * kTypicalEntry);
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (i != 0) out += ',';
    const auto* refused = std::get_if<Refused>(&files[i]);
    if (refused != nullptr && refused->status >= 500) return refusal_answer(true, refused->status, refused->reason);
    if (refused != nullptr) {
      add_refused(out, *refused);
    } else {
      add_stored(out, project, *stored[i]);
    }
  }
  out += "]}";
  return httpd::Response::json(200, std::move(out));
}

}  // namespace tml::server
