// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/ingest.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <unordered_map>

#include "common/base/json.hpp"
#include "common/httpd/multipart.hpp"
#include "common/sample/signature.hpp"
#include "server/media.hpp"
#include "server/side_files.hpp"
#include "server/signatures.hpp"

namespace tml::server {
namespace {

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

struct File {
  std::string_view bytes;
  std::string name;          ///< As sent, decoded.
  std::string content_type;  ///< May be empty.
  std::size_t position = 0;
};

/// What the files of one request share.
struct Shelf {
  const IngestContext& context;
  std::shared_ptr<const httpd::Body> body;
  SignatureChecker signatures;
  /// By the first byte of their part: a label file may name one attachment for many samples, or a thousand times.
  std::unordered_map<const char*, Attachment> attachments;

  Shelf(const IngestContext& given, std::shared_ptr<const httpd::Body> whole)
      : context(given), body(std::move(whole)), signatures(*given.project) {}
};

Refused refusal(unsigned status, std::string reason) { return Refused{status, std::move(reason), {}, {}}; }

std::string sensors_json(const std::vector<sample::Sensor>& sensors) {
  Json list = Json::array();
  for (const auto& sensor : sensors) list.push_back({{"name", sensor.name}, {"units", sensor.units}});
  return json_text(list);
}

std::int64_t bounded(std::uint64_t value) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
}

tl::expected<Checked, Refused> describe_document(const File& file, SignatureChecker& signatures, SampleFacts& facts,
                                                 std::optional<sample::Attachment>& attachment) {
  auto document = sample::parse(sample::as_bytes(file.bytes));
  if (!document) {
    const unsigned status = document.error().code == Errc::limit && file.bytes.size() > kMaxFileBytes ? 413 : 400;
    return tl::unexpected(refusal(status, "not an acquisition document: " + document.error().message()));
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
  return signatures.document(file.bytes, *document);
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

std::string stored_name(const std::string& name, const FileHeaders& headers, const IngestContext& context) {
  if (!headers.add_id) return name;
  const std::size_t dot = name.rfind('.');
  return (dot == std::string::npos || dot == 0 ? name : name.substr(0, dot)) + "." + context.unique_id;
}

tl::expected<void, Refused> choose_category(sample::Category category, std::string_view bytes, SampleFacts& facts) {
  if (category == sample::Category::split) {
    const auto chosen = sample::split_category(sample::as_bytes(bytes));
    if (!chosen) return tl::unexpected(refusal(400, chosen.error().message()));
    category = *chosen;
  }
  facts.category = sample::category_name(category);
  return {};
}

/// Errors of blob files that are the machine's, not the client's: 507 for a full disk.
Refused storage_refusal(const Error& error) {
  return refusal(error.code == Errc::disk_full ? 507U : 500U, error.message());
}

bool is_bad(sample::Verification state) {
  return state == sample::Verification::failed || state == sample::Verification::unknown_key;
}

/// The document's own signature is what counts; without one it is the signature that came beside the file.
std::optional<Refused> judge(Checked own, bool is_document, const File& file, const FileHeaders& headers, Shelf& shelf,
                             SampleFacts& facts) {
  Checked counts = own;
  if (!headers.upload_signature.empty()) {
    const Checked upload = shelf.signatures.upload(file.bytes, headers.upload_signature);
    facts.upload =
        UploadSignature{headers.upload_signature, std::string(sample::verification_name(upload.state)), upload.key_id};
    const bool refuse = shelf.context.strict && is_bad(upload.state);
    if (own.state == sample::Verification::not_signed || refuse) counts = upload;
  }
  facts.signature = sample::verification_name(counts.state);
  facts.hmac_key_id = counts.key_id;
  const bool wanting = is_document && counts.state != sample::Verification::verified;
  if (!shelf.context.strict || (!is_bad(counts.state) && !wanting)) return std::nullopt;
  return Refused{400,
                 "the signature does not verify with a key of this project (" + facts.signature +
                     "); this server runs with --strict",
                 {},
                 sample::verification_name(counts.state)};
}

void choose_label(const FileHeaders& headers, const std::string& name, SampleFacts& facts) {
  if (headers.label_rule == FileHeaders::LabelRule::given) {
    facts.label = headers.label;
  } else if (headers.label_rule == FileHeaders::LabelRule::infer) {
    std::string inferred = sample::label_from_file_name(name);
    if (!inferred.empty()) facts.label = std::move(inferred);
  }
}

Intake take_file(const File& file, sample::Category category, const FileHeaders& headers, Shelf& shelf,
                 bool documents_only, std::optional<sample::Attachment>& attachment) {
  if (file.bytes.empty()) return refusal(400, "the file is empty");
  if (file.bytes.size() > kMaxFileBytes) return refusal(413, "the file is larger than 100 MB");
  const IngestContext& context = shelf.context;
  NewSample taken;
  SampleFacts& facts = taken.facts;
  facts.project = context.project->id;
  const std::string name = clean_file_name(file.name);
  facts.file_name = stored_name(name, headers, context);
  const auto media = media_of(name, file.content_type);
  const bool is_document = documents_only || (media && (media->format == "json" || media->format == "cbor"));
  Checked own;
  if (is_document) {
    auto described = describe_document(file, shelf.signatures, facts, attachment);
    if (!described) return described.error();
    own = *described;
  } else {
    if (!media) return refusal(400, "files of this kind are not taken: " + name);
    describe_media(file, *media, facts);
    if (!headers.device_type.empty()) facts.device_type = headers.device_type;
  }
  if (auto refused = judge(own, is_document, file, headers, shelf, facts)) return std::move(*refused);
  if (auto chosen = choose_category(category, file.bytes, facts); !chosen) return chosen.error();
  choose_label(headers, name, facts);
  if (headers.envelope) {
    const bool numbered = file.position != 0 && !headers.envelope_is_own;
    facts.envelope = *headers.envelope + (numbered ? "#" + std::to_string(file.position) : "");
  }
  facts.metadata_json = headers.metadata_json;
  facts.headers_json = headers.source_json;
  facts.boxes_json = headers.boxes_json;
  facts.api_key_id = context.api_key_id;
  facts.created_ms = context.now_ms;
  facts.size_bytes = bounded(file.bytes.size());
  const httpd::Body* mapped = shelf.body && shelf.body->is_mapped() ? shelf.body.get() : nullptr;
  facts.sha256 = hash_of(file.bytes, mapped);
  facts.in_file = file.bytes.size() > kInlineBytes;
  taken.owner = shelf.body;
  taken.bytes = file.bytes;
  taken.refuse_duplicates = headers.refuse_duplicates;
  if (facts.in_file) {
    if (auto put = context.blobs->put(facts.sha256, file.bytes); !put) return storage_refusal(put.error());
    if (mapped != nullptr) mapped->release_pages();
  }
  return taken;
}

std::optional<Refused> attach(NewSample& taken, const httpd::Part& part, Shelf& shelf) {
  if (part.body.size() > kMaxFileBytes) return refusal(413, "the attachment is larger than 100 MB");
  auto known = shelf.attachments.find(part.body.data());
  if (known == shelf.attachments.end()) {
    Attachment attachment{clean_file_name(part.file_name), part.content_type, bounded(part.body.size()),
                          hash_of(part.body, nullptr)};
    if (auto put = shelf.context.blobs->put(attachment.sha256, part.body); !put) return storage_refusal(put.error());
    known = shelf.attachments.emplace(part.body.data(), std::move(attachment)).first;
  }
  taken.attachments.push_back(known->second);
  return std::nullopt;
}

/// The document's line names the attachment's size and MAC (wire reference 6.6): both must fit, or the sample counts as
/// failed.
std::optional<Refused> check_attachment(NewSample& taken, const sample::Attachment& expected, std::string_view bytes,
                                        Shelf& shelf) {
  if (taken.facts.signature != sample::verification_name(sample::Verification::verified)) return std::nullopt;
  const Checked mac = shelf.signatures.upload(bytes, expected.hmac_hex);
  if (mac.state == sample::Verification::verified && expected.size_bytes == bytes.size()) return std::nullopt;
  taken.facts.signature = sample::verification_name(sample::Verification::failed);
  taken.facts.hmac_key_id.reset();
  if (!shelf.context.strict) return std::nullopt;
  return Refused{400,
                 "the attachment does not fit the signed document; this server runs with --strict",
                 {},
                 sample::verification_name(sample::Verification::failed)};
}

Intake take_multipart_document(const httpd::Request& request, const std::string& boundary, sample::Category category,
                               const FileHeaders& headers, Shelf& shelf) {
  auto parts = httpd::parse_multipart(request.body_view(), boundary);
  if (!parts) return refusal(400, parts.error().message());
  const auto is_document = [](const httpd::Part& part) {
    return part.name == "body" || part.name == "message" || part.file_name == "message.json";
  };
  auto document = std::find_if(parts->begin(), parts->end(), is_document);
  if (document == parts->end()) {
    return refusal(400, "the multipart body has no part named \"body\" or \"message\" with the document");
  }
  std::string name = sample::percent_decode(request.headers.get("x-file-name"));
  if (name.empty()) name = document->file_name;
  if (name.empty()) return refusal(kMissingHeader, "missing header x-file-name");
  File file{document->body, name, document->content_type, 0};
  std::optional<sample::Attachment> expected;
  Intake taken = take_file(file, category, headers, shelf, true, expected);
  auto* sample = std::get_if<NewSample>(&taken);
  if (sample == nullptr) return taken;
  for (auto part = parts->begin(); part != parts->end(); ++part) {
    if (part == document) continue;
    if (sample->attachments.empty() && expected) {
      if (auto refused = check_attachment(*sample, *expected, part->body, shelf)) return *refused;
    }
    if (auto refused = attach(*sample, *part, shelf)) return *refused;
  }
  return taken;
}

/// How often each base name stands in a request: side files know files by it and nothing else.
using NameCounts = std::unordered_map<std::string_view, std::size_t>;

/// Side files of labels apply to the samples they name; attachments leave the list of samples.
std::optional<Refused> apply_side_files(const SideFiles& side, const httpd::Part& own,
                                        const std::vector<httpd::Part>& parts, const NameCounts& names,
                                        const std::optional<sample::Attachment>& expected, Shelf& shelf,
                                        NewSample& taken) {
  const std::string part_name(sample::base_name(own.file_name));
  const auto structured = side.structured_labels.find(part_name);
  const auto label_map = side.label_maps.find(part_name);
  const auto boxes = side.boxes.find(part_name);
  const auto attached = side.attachments.find(part_name);
  const bool named = structured != side.structured_labels.end() || label_map != side.label_maps.end() ||
                     boxes != side.boxes.end() || attached != side.attachments.end();
  if (!named) return std::nullopt;
  if (names.at(part_name) > 1) {
    return refusal(400,
                   "the request holds several files called " + part_name + ", and a label file that means one of them");
  }
  if (structured != side.structured_labels.end()) {
    taken.facts.labels_json = R"({"type":"multi-label","labels":)" + structured->second + "}";
    taken.facts.label.reset();
  }
  if (label_map != side.label_maps.end()) {
    taken.facts.labels_json = R"({"type":"keyvalue-labels","labels":)" + label_map->second + "}";
    taken.facts.label.reset();
  }
  if (boxes != side.boxes.end()) taken.facts.boxes_json = boxes->second;
  if (attached == side.attachments.end()) return std::nullopt;
  for (const std::string& wanted : attached->second) {
    const auto part = std::find_if(parts.begin(), parts.end(),
                                   [&wanted](const auto& p) { return sample::base_name(p.file_name) == wanted; });
    if (part == parts.end())
      return refusal(400, "attachments.labels names a file that is not in the request: " + wanted);
    if (taken.attachments.empty() && expected) {
      if (auto refused = check_attachment(taken, *expected, part->body, shelf)) return refused;
    }
    if (auto refused = attach(taken, *part, shelf)) return refused;
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
  auto headers = read_request_headers(request.headers);
  if (!headers) return headers.error();
  Shelf shelf(context, request.body);
  if (const auto boundary = httpd::multipart_boundary(request.headers.get("content-type"))) {
    return take_multipart_document(request, *boundary, category, *headers, shelf);
  }
  const auto name = request.headers.find("x-file-name");
  if (!name || name->empty()) return refusal(kMissingHeader, "missing header x-file-name");
  const File file{request.body_view(), sample::percent_decode(*name),
                  httpd::media_type(request.headers.get("content-type")), 0};
  std::optional<sample::Attachment> expected;
  return take_file(file, category, *headers, shelf, true, expected);
}

namespace {

/// One part of a /files request, under its own headers where it has some.
Intake take_part(const httpd::Part& part, std::size_t position, sample::Category category, const FileHeaders& request,
                 const std::vector<httpd::Part>& parts, const SideFiles& side, const NameCounts& names, Shelf& shelf) {
  if (part.file_name.empty()) return refusal(400, "a part has no file name");
  const bool own_headers = has_own_headers(part);
  tl::expected<FileHeaders, Refused> own;
  if (own_headers) own = read_part_headers(part, request);
  if (!own) return std::move(own.error());
  const File file{part.body, part.file_name, part.content_type, position};
  std::optional<sample::Attachment> expected;
  Intake taken = take_file(file, category, own_headers ? *own : request, shelf, false, expected);
  if (auto* sample = std::get_if<NewSample>(&taken)) {
    if (auto refused = apply_side_files(side, part, parts, names, expected, shelf, *sample)) return std::move(*refused);
  }
  return taken;
}

}  // namespace

FilesIntake take_files(const httpd::Request& request, sample::Category category, const IngestContext& context) {
  FilesIntake intake;
  const auto refuse = [&intake](unsigned status, std::string reason) {
    intake.files.clear();
    intake.whole = refusal(status, std::move(reason));
    return std::move(intake);
  };
  auto headers = read_request_headers(request.headers);
  if (!headers) return refuse(headers.error().status, headers.error().reason);
  const auto boundary = httpd::multipart_boundary(request.headers.get("content-type"));
  if (!boundary) return refuse(400, "the body must be multipart/form-data with a boundary");
  auto parts = httpd::parse_multipart(request.body_view(), *boundary);
  if (!parts) return refuse(400, parts.error().message());
  SideFiles side;
  NameCounts names;
  for (const httpd::Part& part : *parts) {
    if (!is_side_file(part.file_name)) {
      ++names[sample::base_name(part.file_name)];
      continue;
    }
    if (auto read = read_side_file(part.file_name, part.body, side); !read) return refuse(400, read.error().message());
  }
  std::set<std::string, std::less<>> attached;
  for (const auto& [file, wanted] : side.attachments) attached.insert(wanted.begin(), wanted.end());
  for (const std::string& wanted : attached) {
    if (const auto found = names.find(wanted); found != names.end() && found->second > 1)
      return refuse(400, "attachments.labels names " + wanted + ", and the request holds several files of that name");
  }
  Shelf shelf(context, request.body);
  intake.files.reserve(parts->size());
  std::size_t position = 0;
  for (const httpd::Part& part : *parts) {
    if (is_side_file(part.file_name) || attached.count(sample::base_name(part.file_name)) != 0) continue;
    if (position == kMaxFilesPerRequest) return refuse(400, "more than 1000 files in one request");
    Intake taken = take_part(part, position++, category, *headers, *parts, side, names, shelf);
    if (auto* refused = std::get_if<Refused>(&taken)) refused->file_name = clean_file_name(part.file_name);
    intake.files.push_back(std::move(taken));
  }
  if (intake.files.empty()) return refuse(400, "the request holds no file");
  return intake;
}

}  // namespace tml::server
