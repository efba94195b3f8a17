// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/cli/table.hpp"
#include "common/flashlink/mcuboot_image.hpp"
#include "common/flashlink/signing.hpp"
#include "common/flashlink/smp_client.hpp"
#include "flasher/other_boards.hpp"

namespace tml::flasher {
namespace {

using flashlink::ImageHash;
using flashlink::SmpImage;
using serial::Awaitable;

bool is_one_of(const SmpImage& image, const std::vector<ImageHash>& hashes) {
  return std::ranges::any_of(hashes, [&](const ImageHash& hash) { return std::ranges::equal(hash, image.hash); });
}

std::string flags_of(const SmpImage& image) {
  std::string text;
  for (const auto& [set, name] : {std::pair<bool, const char*>{image.active, "active"},
                                  {image.confirmed, "confirmed"},
                                  {image.pending, "pending"},
                                  {image.permanent, "permanent"}}) {
    if (set) text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

void tell_images(const std::vector<SmpImage>& images, cli::Reporter& reporter) {
  std::vector<std::vector<std::string>> rows{{"image", "slot", "version", "state", "hash"}};
  auto list = nlohmann::json::array();
  for (const SmpImage& image : images) {
    const std::string hash = flashlink::hex(image.hash);
    rows.push_back(
        {std::to_string(image.image), std::to_string(image.slot), image.version, flags_of(image), hash.substr(0, 16)});
    list.push_back({{"image", image.image},
                    {"slot", image.slot},
                    {"version", image.version},
                    {"hash", hash},
                    {"active", image.active},
                    {"confirmed", image.confirmed},
                    {"pending", image.pending},
                    {"permanent", image.permanent}});
  }
  reporter.event("images", {{"images", std::move(list)}}, cli::format_table(rows));
}

class Job {
 public:
  Job(const FlashOptions& options, std::span<const std::byte> file, cli::Reporter& reporter)
      : options_(options), file_(file), hashes_(flashlink::image_hashes(file)), reporter_(reporter) {}

  Awaitable<Result<void>> run(serial::ByteStream& stream);

 private:
  Awaitable<Result<void>> start(flashlink::SmpClient& client);

  const FlashOptions& options_;
  std::span<const std::byte> file_;
  std::vector<ImageHash> hashes_;
  cli::Reporter& reporter_;
};

Awaitable<Result<void>> Job::run(serial::ByteStream& stream) {
  flashlink::SmpClient client(stream);
  Result<flashlink::SmpParameters> parameters = co_await client.parameters();
  if (!parameters) co_return pass(std::move(parameters.error()));
  Result<std::vector<SmpImage>> images = co_await client.images();
  if (!images && images.error().code != Errc::unsupported) co_return pass(std::move(images.error()));
  if (images) {
    tell_images(*images, reporter_);
    const auto running =
        std::ranges::find_if(*images, [&](const SmpImage& image) { return image.active && is_one_of(image, hashes_); });
    if (running != images->end()) {
      if (running->confirmed || options_.write_only) {
        reporter_.event("unchanged", {}, "The board runs this image already");
        co_return Result<void>();
      }
      const std::vector<std::uint8_t> hash = running->hash;
      images = co_await client.set_state(hash, true);
      if (!images) co_return pass(std::move(images.error()));
      tell_images(*images, reporter_);
      reporter_.event("confirmed", {}, "The board ran this image on trial; it is confirmed now");
      co_return Result<void>();
    }
  }
  if (options_.dry_run) co_return Result<void>();
  flashlink::SmpUpload upload;
  upload.image = options_.stage;
  const flashlink::SmpClient::Progress progress = [this](std::uint64_t done, std::uint64_t total) {
    reporter_.progress("Writing", done, total, "B");
  };
  Result<flashlink::SmpUploaded> uploaded = co_await client.upload(file_, upload, progress);
  reporter_.progress_done();
  if (!uploaded) co_return pass(std::move(uploaded.error()));
  std::string text = "Uploaded " + cli::human_size(file_.size());
  if (uploaded->resumed_at > 0) text += ", from " + cli::human_size(uploaded->resumed_at) + " on";
  if (uploaded->resent > 0) text += "; " + std::to_string(uploaded->resent) + " requests sent again";
  reporter_.event("uploaded",
                  {{"bytes", file_.size()},
                   {"bytes_sent", uploaded->bytes_sent},
                   {"resumed_at", uploaded->resumed_at},
                   {"resent", uploaded->resent},
                   {"window", uploaded->window},
                   {"buf_size", parameters->buf_size},
                   {"buf_count", parameters->buf_count}},
                  text);
  if (options_.write_only) co_return Result<void>();
  Result<void> started = co_await start(client);
  co_return started;
}

// A serial recovery has put the image into the slot that runs and knows no test: the reset alone starts it.
Awaitable<Result<void>> Job::start(flashlink::SmpClient& client) {
  Result<std::vector<SmpImage>> images = co_await client.images();
  if (!images && images.error().code != Errc::unsupported) co_return pass(std::move(images.error()));
  const SmpImage* fresh = nullptr;
  if (images) {
    for (const SmpImage& image : *images) {
      const bool matches =
          hashes_.empty() ? image.image == options_.stage && image.slot == 1 : is_one_of(image, hashes_);
      if (matches && !image.active && !image.hash.empty()) fresh = &image;
    }
  }
  bool trial = false;
  if (fresh != nullptr) {
    const std::vector<std::uint8_t> hash = fresh->hash;
    images = co_await client.set_state(hash, options_.permanent);
    if (!images && images.error().code != Errc::unsupported) co_return pass(std::move(images.error()));
    if (images) tell_images(*images, reporter_);
    trial = images && !options_.permanent;
  }
  Result<void> reset = co_await client.reset();
  if (!reset) co_return reset;
  reporter_.event("flashed", {{"protocol", "smp"}, {"bytes", file_.size()}, {"trial", trial}},
                  trial ? "The board starts the image on trial. Run the same command again to confirm it"
                        : "The board starts the image");
  co_return Result<void>();
}

}  // namespace

Awaitable<Result<void>> flash_by_smp(serial::ByteStream& stream, std::span<const std::byte> image,
                                     const FlashOptions& options, cli::Reporter& reporter) {
  Job job(options, image, reporter);
  Result<void> done = co_await job.run(stream);
  co_return done;
}

}  // namespace tml::flasher
