// SPDX-License-Identifier: Apache-2.0
#include "uploader/request.hpp"

#include <algorithm>
#include <cstring>

#include "common/base/json.hpp"

namespace tml::uploader {
namespace {

constexpr Millis kConnectTimeout{15'000};
constexpr Millis kIdleTimeout{120'000};
/// The ecosystem's client waits 20 minutes for the answer's header (wire reference 4.3); a server that commits a large
/// file is silent meanwhile.
constexpr Millis kIdleTimeoutLarge{1'200'000};
constexpr std::uint64_t kLargeBytes = std::uint64_t{8} << 20U;
constexpr std::size_t kMaxAnswerBytes = std::size_t{4} << 20U;

/// Text and files, one after the other.
class Body {
 public:
  void text(std::string_view more) {
    if (pieces_.empty() || pieces_.back().file) pieces_.emplace_back();
    pieces_.back().text += more;
    size_ += more.size();
  }
  void file(std::shared_ptr<FileBytes> file) {
    size_ += file->size();
    pieces_.push_back({{}, std::move(file)});
  }
  void reserve(std::size_t bytes) {
    if (pieces_.empty()) pieces_.emplace_back();
    pieces_.back().text.reserve(bytes);
  }

  void into(http::Request& request, bool may_resend) && {
    request.idle_timeout = size_ > kLargeBytes ? kIdleTimeoutLarge : kIdleTimeout;
    if (may_resend && pieces_.size() == 1 && !pieces_.front().file) {
      request.body = std::move(pieces_.front().text);
      return;
    }
    auto reader = std::make_shared<Reader>(std::move(pieces_));
    http::BodySource source;
    source.size_bytes = size_;
    source.read = [reader](char* out, std::size_t capacity) { return reader->read(out, capacity); };
    if (may_resend) source.rewind = [reader] { return reader->rewind(); };
    request.source = std::move(source);
  }

 private:
  struct Piece {
    std::string text;
    std::shared_ptr<FileBytes> file;
    [[nodiscard]] std::uint64_t size() const { return file ? file->size() : text.size(); }
  };

  class Reader {
   public:
    explicit Reader(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}
    std::size_t read(char* out, std::size_t capacity) {
      std::size_t done = 0;
      while (done < capacity && piece_ < pieces_.size()) {
        const Piece& piece = pieces_[piece_];
        const std::uint64_t left = piece.size() - at_;
        if (left == 0) {
          ++piece_;
          at_ = 0;
          continue;
        }
        auto step = static_cast<std::size_t>(std::min<std::uint64_t>(left, capacity - done));
        if (piece.file) {
          step = piece.file->read_at(at_, out + done, step);
          // Shorter than when it was opened: the announced length cannot be kept.
          if (step == 0 || step == SIZE_MAX) return SIZE_MAX;
        } else {
          std::memcpy(out + done, piece.text.data() + at_, step);
        }
        done += step;
        at_ += step;
      }
      return done;
    }
    bool rewind() {
      piece_ = 0;
      at_ = 0;
      return true;
    }

   private:
    std::vector<Piece> pieces_;
    std::size_t piece_ = 0;
    std::uint64_t at_ = 0;
  };

  std::vector<Piece> pieces_;
  std::uint64_t size_ = 0;
};

std::string part_head(std::string_view boundary, std::string_view file_name, std::string_view content_type) {
  std::string head = "--";
  head += boundary;
  head += "\r\nContent-Disposition: form-data; name=\"data\"; filename=\"";
  head += quoted_file_name(file_name);
  head += "\"\r\nContent-Type: ";
  head += content_type.empty() ? "application/octet-stream" : content_type;
  head += "\r\n";
  return head;
}

/// What is said about one file, as headers of the request or of its part.
std::vector<http::Header> file_headers(const ReadyFile& ready) {
  std::vector<http::Header> headers;
  const Upload& upload = ready.upload;
  if (upload.label.kind == LabelKind::single) {
    headers.push_back({"x-label", sample::percent_encode(upload.label.text)});
  } else if (upload.label.kind == LabelKind::unlabeled) {
    headers.push_back({"x-label", ""});
    headers.push_back({"x-no-label", "1"});
  }
  if (!upload.metadata.empty()) headers.push_back({"x-metadata", metadata_header(upload.metadata)});
  if (!ready.envelope.empty()) headers.push_back({"x-tml-envelope", ready.envelope});
  if (!ready.signature.empty()) headers.push_back({"x-tml-signature", ready.signature});
  return headers;
}

Result<void> add_side_files(Body& body, const ReadyFile& ready, const RequestOptions& options) {
  for (SideFile& side : side_files(ready.upload)) {
    if (side.path.empty()) {
      body.text(part_head(options.boundary, side.name, "application/json"));
      body.text("\r\n");
      body.text(side.json);
    } else {
      auto file = open_attachment(side.path, options.max_attachment_bytes);
      if (!file) return pass(file.error());
      body.text(part_head(options.boundary, side.name, content_type_for(side.name)));
      body.text("\r\n");
      body.file(*std::move(file));
    }
    body.text("\r\n");
  }
  return {};
}

}  // namespace

std::string files_path(sample::Category category) {
  return "/api/" + std::string(sample::category_name(category)) + "/files";
}

std::string quoted_file_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    switch (c) {
      case '"':
        out += "%22";
        break;
      case '\r':
        out += "%0D";
        break;
      case '\n':
        out += "%0A";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string metadata_header(const KeyValues& metadata) {
  Json object = Json::object();
  for (const auto& [key, value] : metadata) object[key] = value;
  return object.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Result<http::Request> files_request(const Batch& batch, const RequestOptions& options) {
  http::Request request;
  request.method = "POST";
  request.url = options.ingestion + files_path(batch.category);
  request.connect_timeout = kConnectTimeout;
  request.max_response_bytes = kMaxAnswerBytes;
  request.headers = {{"Content-Type", "multipart/form-data; boundary=" + options.boundary},
                     {"x-api-key", options.api_key},
                     {"x-upload-source", "EDGE_IMPULSE_CLI_UPLOADER"},
                     {"x-device-type", "EDGE_IMPULSE_CLI"},
                     {"Connection", "keep-alive"}};
  if (options.disallow_duplicates) request.headers.push_back({"x-disallow-duplicates", "1"});
  const bool together = batch.files.size() > 1;
  Body body;
  constexpr std::size_t kPartOverhead = 512;
  body.reserve(batch.bytes.size() + batch.files.size() * kPartOverhead);
  for (const ReadyFile& ready : batch.files) {
    body.text(part_head(options.boundary, ready.upload.name, ready.upload.content_type));
    for (http::Header& header : file_headers(ready)) {
      if (together) {
        body.text(header.name + ": " + header.value + "\r\n");
      } else {
        request.headers.push_back(std::move(header));
      }
    }
    body.text("\r\n");
    if (ready.file) {
      body.file(ready.file);
    } else {
      body.text(std::string_view(batch.bytes).substr(ready.offset, ready.size));
    }
    body.text("\r\n");
    if (auto added = add_side_files(body, ready, options); !added) return pass(added.error());
  }
  body.text("--" + options.boundary + "--\r\n");
  std::move(body).into(request, options.may_resend);
  return request;
}

}  // namespace tml::uploader
