// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/ingest.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "common/base/json.hpp"
#include "common/httpd/multipart.hpp"
#include "common/sample/signature.hpp"
#include "server/media.hpp"
#include "server/side_files.hpp"

namespace tml::server {
namespace {

constexpr std::size_t kMaxLabelBytes = 512;
constexpr std::size_t kMaxEnvelopeBytes = 128;
constexpr std::size_t kHashChunk = 4 * 1024 * 1024;
constexpr unsigned kMissingHeader = 421;

/// Hashes in steps and lets go of the mapping's pages behind it, so that a 100 MB body does not become resident.
std::string hash_of(std::string_view bytes, const httpd::Body* mapped) {
  if (bytes.size() <= kHashChunk) return sample::sha256_hex(sample::as_bytes(bytes));
  sample::Sha256 hash;
  for (std::size_t at = 0; at < bytes.size(); at += kHashChunk) {
    hash.update(sample::as_bytes(bytes.substr(at, kHashChunk)));
    if (mapped != nullptr) mapped->release_pages();
  }
  const sample::Digest digest = hash.finish();
  return sample::hex(digest);
}

/// What the headers say for every file of a request.
struct Common {
  std::optional<std::string> label;
  bool no_label = false;
  std::optional<std::string> envelope;
  bool refuse_duplicates = false;
  bool add_id = false;
  std::string detached_signature;
  std::string metadata_json = "{}";
  std::optional<std::string> boxes_json;
  std::string headers_json;
  std::string device_type;
};

bool is_on(std::string_view value) { return !value.empty() && value != "0" && !httpd::iequals(value, "false"); }

tl::expected<Common, Refused> read_headers(const httpd::Headers& headers) {
  Common common;
  common.no_label = is_on(headers.get("x-no-label"));
  if (!common.no_label && !headers.get("x-label").empty()) {
    common.label = sample::percent_decode(headers.get("x-label"));
    if (common.label->size() > kMaxLabelBytes)
      return tl::unexpected(Refused{400, "the label is longer than 512 bytes"});
  }
  if (const auto envelope = headers.find("x-tml-envelope"); envelope && !envelope->empty()) {
    const bool printable = std::all_of(envelope->begin(), envelope->end(), [](char c) { return c > ' ' && c < 0x7F; });
    if (envelope->size() > kMaxEnvelopeBytes || !printable) {
      return tl::unexpected(Refused{400, "x-tml-envelope must be at most 128 printable characters"});
    }
    common.envelope = std::string(*envelope);
  }
  common.refuse_duplicates = is_on(headers.get("x-disallow-duplicates"));
  common.add_id = is_on(headers.get("x-add-date-id"));
  common.detached_signature = std::string(headers.get("x-tml-signature"));
  if (const auto text = headers.get("x-metadata"); !text.empty()) {
    auto metadata = read_metadata(text);
    if (!metadata) return tl::unexpected(Refused{400, metadata.error().message()});
    common.metadata_json = std::move(*metadata);
  }
  if (const auto text = headers.get("x-bounding-boxes"); !text.empty()) {
    auto boxes = read_boxes(text);
    if (!boxes) return tl::unexpected(Refused{400, boxes.error().message()});
    common.boxes_json = std::move(*boxes);
  }
  Json kept = Json::object();
  for (const char* name :
       {"user-agent", "x-upload-source", "x-device-type", "content-type", "x-no-date-id", "x-tml-signature"}) {
    if (const auto value = headers.find(name)) kept[name] = std::string(*value);
  }
  common.headers_json = json_text(kept);
  common.device_type = std::string(headers.get("x-device-type"));
  return common;
}

struct File {
  std::string_view bytes;
  std::string name;          ///< As sent, decoded.
  std::string content_type;  ///< May be empty.
  std::size_t position = 0;
};

struct Signed {
  sample::Verification state = sample::Verification::not_signed;
  std::optional<std::int64_t> key_id;
};

Signed check_document(std::string_view bytes, const sample::Document& document, const Project& project) {
  std::vector<std::string_view> keys;
  for (const HmacKey& key : project.hmac_keys) keys.emplace_back(key.key);
  const sample::KeyMatch match = sample::verify_any(sample::as_bytes(bytes), document, keys);
  Signed result{match.verification, {}};
  if (match.verification == sample::Verification::verified) result.key_id = project.hmac_keys[match.key_index].id;
  return result;
}

/// HMAC-SHA256 over the whole file, sent beside it in x-tml-signature.
Signed check_detached(std::string_view bytes, std::string signature, const Project& project) {
  std::transform(signature.begin(), signature.end(), signature.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (project.hmac_keys.empty()) return {sample::Verification::unknown_key, {}};
  const std::array<sample::Bytes, 1> pieces = {sample::as_bytes(bytes)};
  for (const HmacKey& key : project.hmac_keys) {
    sample::Signer signer(key.key);
    if (sample::equal_constant_time(sample::hex(signer.mac(pieces)), signature))
      return {sample::Verification::verified, key.id};
  }
  return {sample::Verification::failed, {}};
}

std::string sensors_json(const std::vector<sample::Sensor>& sensors) {
  Json list = Json::array();
  for (const auto& sensor : sensors) list.push_back({{"name", sensor.name}, {"units", sensor.units}});
  return json_text(list);
}

std::int64_t bounded(std::uint64_t value) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
}

tl::expected<Signed, Refused> describe_document(const File& file, const IngestContext& context, SampleFacts& facts,
                                                std::optional<sample::Attachment>& attachment) {
  auto document = sample::parse(sample::as_bytes(file.bytes));
  if (!document) {
    const unsigned status = document.error().code == Errc::limit && file.bytes.size() > kMaxFileBytes ? 413 : 400;
    return tl::unexpected(Refused{status, "not an acquisition document: " + document.error().message()});
  }
  facts.format = sample::format_name(document->format);
  facts.content_type = sample::content_type_for(document->format);
  if (!document->device_name.empty()) facts.device_id = document->device_name;
  facts.device_type = document->device_type;
  facts.interval_ms = document->interval_ms;
  facts.sensors_json = sensors_json(document->sensors);
  facts.readings = bounded(document->readings);
  facts.duration_ms = document->duration_ms;
  attachment = document->attachment;
  return check_document(file.bytes, *document, *context.project);
}

void describe_media(const File& file, const Media& media, SampleFacts& facts) {
  facts.format = media.format;
  facts.content_type = media.content_type;
  if (media.format != "wav") return;
  if (const auto wav = read_wav(file.bytes)) {
    facts.interval_ms = 1000.0 / wav->rate_hz;
    facts.readings = bounded(wav->frames);
    facts.duration_ms = static_cast<double>(wav->frames) * facts.interval_ms;
    facts.sensors_json = R"([{"name":"audio","units":"wav"}])";
  }
}

std::string stored_name(const std::string& name, const Common& common, const IngestContext& context) {
  if (!common.add_id) return name;
  const std::size_t dot = name.rfind('.');
  return (dot == std::string::npos || dot == 0 ? name : name.substr(0, dot)) + "." + context.unique_id;
}

tl::expected<void, Refused> choose_category(sample::Category category, std::string_view bytes, SampleFacts& facts) {
  if (category == sample::Category::split) {
    const auto chosen = sample::split_category(sample::as_bytes(bytes));
    if (!chosen) return tl::unexpected(Refused{400, chosen.error().message()});
    category = *chosen;
  }
  facts.category = sample::category_name(category);
  return {};
}

/// Errors of blob files that are the machine's, not the client's: 507 for a full disk.
Refused storage_refusal(const Error& error) {
  return Refused{error.code == Errc::disk_full ? 507U : 500U, error.message()};
}

Intake take_file(const File& file, sample::Category category, const Common& common,
                 const std::shared_ptr<const httpd::Body>& body, const IngestContext& context, bool documents_only,
                 std::optional<sample::Attachment>& attachment) {
  if (file.bytes.empty()) return Refused{400, "the file is empty"};
  if (file.bytes.size() > kMaxFileBytes) return Refused{413, "the file is larger than 100 MB"};
  NewSample taken;
  SampleFacts& facts = taken.facts;
  facts.project = context.project->id;
  const std::string name = clean_file_name(file.name);
  facts.file_name = stored_name(name, common, context);
  const auto media = media_of(name, file.content_type);
  const bool is_document = documents_only || (media && (media->format == "json" || media->format == "cbor"));
  Signed checked;
  if (is_document) {
    auto described = describe_document(file, context, facts, attachment);
    if (!described) return described.error();
    checked = *described;
  } else {
    if (!media) return Refused{400, "files of this kind are not taken: " + name};
    describe_media(file, *media, facts);
    if (!common.device_type.empty()) facts.device_type = common.device_type;
  }
  if (checked.state == sample::Verification::not_signed && !common.detached_signature.empty()) {
    checked = check_detached(file.bytes, common.detached_signature, *context.project);
  }
  const bool bad = checked.state == sample::Verification::failed || checked.state == sample::Verification::unknown_key;
  if (context.strict && (bad || (is_document && checked.state != sample::Verification::verified))) {
    return Refused{400, "the signature does not verify with a key of this project (" +
                            std::string(sample::verification_name(checked.state)) +
                            "); this server runs with --strict"};
  }
  facts.signature = sample::verification_name(checked.state);
  facts.hmac_key_id = checked.key_id;
  if (auto chosen = choose_category(category, file.bytes, facts); !chosen) return chosen.error();
  if (common.label) {
    facts.label = common.label;
  } else if (!common.no_label) {
    std::string inferred = sample::label_from_file_name(name);
    if (!inferred.empty()) facts.label = std::move(inferred);
  }
  if (common.envelope) {
    facts.envelope = *common.envelope + (file.position == 0 ? "" : "#" + std::to_string(file.position));
  }
  facts.metadata_json = common.metadata_json;
  facts.headers_json = common.headers_json;
  facts.boxes_json = common.boxes_json;
  facts.api_key_id = context.api_key_id;
  facts.created_ms = context.now_ms;
  facts.size_bytes = bounded(file.bytes.size());
  const httpd::Body* mapped = body && body->is_mapped() ? body.get() : nullptr;
  facts.sha256 = hash_of(file.bytes, mapped);
  facts.in_file = file.bytes.size() > kInlineBytes;
  taken.owner = body;
  taken.bytes = file.bytes;
  taken.refuse_duplicates = common.refuse_duplicates;
  if (facts.in_file) {
    if (auto put = context.blobs->put(facts.sha256, file.bytes); !put) return storage_refusal(put.error());
    if (mapped != nullptr) mapped->release_pages();
  }
  return taken;
}

std::optional<Refused> attach(NewSample& taken, const httpd::Part& part, const IngestContext& context) {
  Attachment attachment{clean_file_name(part.file_name), part.content_type, bounded(part.body.size()),
                        hash_of(part.body, nullptr)};
  if (part.body.size() > kMaxFileBytes) return Refused{413, "the attachment is larger than 100 MB"};
  if (auto put = context.blobs->put(attachment.sha256, part.body); !put) return storage_refusal(put.error());
  taken.attachments.push_back(std::move(attachment));
  return std::nullopt;
}

/// The document's line names the attachment's size and MAC (wire reference 6.6): both must fit, or the sample counts as
/// failed.
void check_attachment(NewSample& taken, const sample::Attachment& expected, std::string_view bytes,
                      const Project& project) {
  if (taken.facts.signature != sample::verification_name(sample::Verification::verified)) return;
  const Signed mac = check_detached(bytes, expected.hmac_hex, project);
  if (mac.state != sample::Verification::verified || expected.size_bytes != bytes.size()) {
    taken.facts.signature = sample::verification_name(sample::Verification::failed);
    taken.facts.hmac_key_id.reset();
  }
}

Intake take_multipart_document(const httpd::Request& request, const std::string& boundary, sample::Category category,
                               const Common& common, const IngestContext& context) {
  auto parts = httpd::parse_multipart(request.body_view(), boundary);
  if (!parts) return Refused{400, parts.error().message()};
  const auto is_document = [](const httpd::Part& part) {
    return part.name == "body" || part.name == "message" || part.file_name == "message.json";
  };
  auto document = std::find_if(parts->begin(), parts->end(), is_document);
  if (document == parts->end()) {
    return Refused{400, "the multipart body has no part named \"body\" or \"message\" with the document"};
  }
  std::string name = sample::percent_decode(request.headers.get("x-file-name"));
  if (name.empty()) name = document->file_name;
  if (name.empty()) return Refused{kMissingHeader, "missing header x-file-name"};
  File file{document->body, name, document->content_type, 0};
  std::optional<sample::Attachment> expected;
  Intake taken = take_file(file, category, common, request.body, context, true, expected);
  auto* sample = std::get_if<NewSample>(&taken);
  if (sample == nullptr) return taken;
  for (auto part = parts->begin(); part != parts->end(); ++part) {
    if (part == document) continue;
    if (sample->attachments.empty() && expected) check_attachment(*sample, *expected, part->body, *context.project);
    if (auto refused = attach(*sample, *part, context)) return *refused;
  }
  return taken;
}

/// Side files of labels apply to the samples they name; attachments leave the list of samples.
std::optional<Refused> apply_side_files(const SideFiles& side, const std::string& part_name,
                                        const std::vector<httpd::Part>& parts, const IngestContext& context,
                                        NewSample& taken) {
  if (const auto found = side.structured_labels.find(part_name); found != side.structured_labels.end()) {
    taken.facts.labels_json = R"({"type":"multi-label","labels":)" + found->second + "}";
    taken.facts.label.reset();
  }
  if (const auto found = side.label_maps.find(part_name); found != side.label_maps.end()) {
    taken.facts.labels_json = R"({"type":"keyvalue-labels","labels":)" + found->second + "}";
    taken.facts.label.reset();
  }
  if (const auto found = side.boxes.find(part_name); found != side.boxes.end()) taken.facts.boxes_json = found->second;
  const auto attached = side.attachments.find(part_name);
  if (attached == side.attachments.end()) return std::nullopt;
  for (const std::string& wanted : attached->second) {
    const auto part = std::find_if(parts.begin(), parts.end(),
                                   [&wanted](const auto& p) { return sample::base_name(p.file_name) == wanted; });
    if (part == parts.end())
      return Refused{400, "attachments.labels names a file that is not in the request: " + wanted};
    if (auto refused = attach(taken, *part, context)) return refused;
  }
  return std::nullopt;
}

}  // namespace

std::string clean_file_name(std::string_view name) {
  constexpr std::size_t kLongest = 255;
  std::string out(sample::base_name(name));
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || c == '\\') c = '_';
  }
  if (out.size() > kLongest) {
    std::size_t end = kLongest;
    // Not in the middle of a UTF-8 sequence.
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) --end;
    out.resize(end);
  }
  if (out.empty() || out == "." || out == "..") out = "sample";
  return out;
}

Intake take_data(const httpd::Request& request, sample::Category category, const IngestContext& context) {
  auto common = read_headers(request.headers);
  if (!common) return common.error();
  if (const auto boundary = httpd::multipart_boundary(request.headers.get("content-type"))) {
    return take_multipart_document(request, *boundary, category, *common, context);
  }
  const auto name = request.headers.find("x-file-name");
  if (!name || name->empty()) return Refused{kMissingHeader, "missing header x-file-name"};
  const File file{request.body_view(), sample::percent_decode(*name),
                  httpd::media_type(request.headers.get("content-type")), 0};
  std::optional<sample::Attachment> expected;
  return take_file(file, category, *common, request.body, context, true, expected);
}

FilesIntake take_files(const httpd::Request& request, sample::Category category, const IngestContext& context) {
  FilesIntake intake;
  const auto refuse = [&intake](unsigned status, std::string reason) {
    intake.whole = Refused{status, std::move(reason)};
    return std::move(intake);
  };
  auto common = read_headers(request.headers);
  if (!common) return refuse(common.error().status, common.error().reason);
  const auto boundary = httpd::multipart_boundary(request.headers.get("content-type"));
  if (!boundary) return refuse(400, "the body must be multipart/form-data with a boundary");
  auto parts = httpd::parse_multipart(request.body_view(), *boundary);
  if (!parts) return refuse(400, parts.error().message());
  SideFiles side;
  std::set<std::string, std::less<>> attached;
  for (const httpd::Part& part : *parts) {
    if (!is_side_file(part.file_name)) continue;
    if (auto read = read_side_file(part.file_name, part.body, side); !read) return refuse(400, read.error().message());
  }
  for (const auto& [file, names] : side.attachments) attached.insert(names.begin(), names.end());
  std::size_t position = 0;
  for (const httpd::Part& part : *parts) {
    const std::string base(sample::base_name(part.file_name));
    if (is_side_file(part.file_name) || attached.count(base) != 0) continue;
    if (position == kMaxFilesPerRequest) return refuse(400, "more than 1000 files in one request");
    if (part.file_name.empty()) {
      intake.files.emplace_back(Refused{400, "a part has no file name"});
      ++position;
      continue;
    }
    const File file{part.body, part.file_name, part.content_type, position++};
    std::optional<sample::Attachment> expected;
    Intake taken = take_file(file, category, *common, request.body, context, false, expected);
    if (auto* sample = std::get_if<NewSample>(&taken)) {
      if (auto refused = apply_side_files(side, base, *parts, context, *sample)) taken = *refused;
    }
    intake.files.push_back(std::move(taken));
  }
  if (intake.files.empty()) return refuse(400, "the request holds no file");
  return intake;
}

}  // namespace tml::server
