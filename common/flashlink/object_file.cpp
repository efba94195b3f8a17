// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/object_file.hpp"

#include <algorithm>
#include <cstring>

#include "common/base/file.hpp"
#include "common/flashlink/bundle.hpp"
#include "common/model/compile.hpp"
#include "common/wire/flash_link.hpp"
#include "common/wire/model_package.hpp"

namespace tml::flashlink {
namespace {

using wire::flash::Manifest;
using wire::flash::ObjectClass;
using wire::flash::Slot;

constexpr std::uint32_t bit(Slot slot) { return 1U << static_cast<unsigned>(slot); }
constexpr std::uint32_t kModelSlots =
    bit(Slot::model_0a) | bit(Slot::model_0b) | bit(Slot::model_1a) | bit(Slot::model_1b);

bool has(std::span<const std::byte> content, std::size_t offset, std::string_view magic) {
  return content.size() >= offset + magic.size() &&
         std::memcmp(content.data() + offset, magic.data(), magic.size()) == 0;
}

std::span<const std::uint8_t> octets(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

Result<Manifest> image_facts(std::span<const std::byte> content, std::string_view where) {
  const auto found = wire::flash::find_image_header(content);
  if (!found || !*found)
    return fail(Errc::malformed, "the header of this application image contradicts itself or the file's size",
                std::string(where), "The file may be cut short: copy or build it again");
  const auto& header = **found;
  Manifest facts;
  facts.object = ObjectClass::app;
  facts.product = header.product;
  facts.hardware_first = header.hardware_first;
  facts.hardware_last = header.hardware_last;
  facts.slots = header.slots;
  facts.version = header.version;
  facts.kernel_abi = header.kernel_abi;
  facts.kernels = header.kernels;
  facts.arena_bytes = header.arena_bytes;
  facts.build_id = header.build_id;
  facts.name = header.name;
  return facts;
}

Result<Manifest> package_facts(std::span<const std::byte> content, std::string_view where) {
  // Packages are opened where they lie, at a multiple of 16.
  const model::Bytes bytes(octets(content).begin(), octets(content).end());
  const auto opened = wire::model::open(bytes);
  if (opened.fault != wire::model::Fault::none)
    return fail(Errc::malformed, "the model package is damaged: " + std::string(wire::model::text(opened.fault)),
                std::string(where), "Compile it again with tml-flash compile");
  if (!model::hash_matches(bytes))
    return fail(Errc::verification, "the model package's hash does not match its content", std::string(where),
                "The file is damaged: copy it again, or compile it again with tml-flash compile");
  const auto& header = opened.view.header();
  Manifest facts;
  facts.object = ObjectClass::model;
  facts.slots = kModelSlots;
  facts.version = header.version;
  facts.kernel_abi = header.kernel_abi;
  facts.kernels = header.kernels;
  facts.arena_bytes = header.arena_bytes;
  facts.io_hash = io_hash(std::as_bytes(std::span(&header, 1)));
  if (!opened.view.impulse().empty()) facts.dsp_hash = sha256(std::as_bytes(opened.view.impulse()));
  if (!set_text(facts.name, opened.view.name())) (void)set_text(facts.name, "model");
  return facts;
}

Result<void> apply(Manifest& facts, const ObjectFlags& flags) {
  if (!flags.product.empty() && !set_text(facts.product, flags.product))
    return fail(Errc::usage, "the product's name does not fit", "--product " + flags.product, "Use 1 to 23 characters");
  if (!flags.name.empty() && !set_text(facts.name, flags.name))
    return fail(Errc::usage, "the name does not fit", "--name " + flags.name, "Use 1 to 31 characters");
  facts.hardware_first = flags.hardware_first.value_or(facts.hardware_first);
  facts.hardware_last = flags.hardware_last.value_or(facts.hardware_last);
  facts.epoch = flags.epoch.value_or(facts.epoch);
  facts.version = flags.version.value_or(facts.version);
  if (!flags.slots) return {};
  const std::uint32_t possible = facts.object == ObjectClass::app     ? facts.slots
                                 : facts.object == ObjectClass::model ? kModelSlots
                                                                      : bit(Slot::data);
  if ((*flags.slots & ~possible) != 0 || *flags.slots == 0)
    return fail(Errc::usage, "this " + std::string(wire::flash::name(facts.object)) + " cannot lie in that slot",
                "--slot",
                facts.object == ObjectClass::app ? "An image runs where it was linked for: give one for that slot"
                                                 : "Models lie in model-0a to model-1b, other files in data");
  facts.slots = *flags.slots;
  return {};
}

}  // namespace

FileKind kind_of(std::span<const std::byte> content) {
  if (has(content, 0, "TMLU")) return FileKind::bundle;
  if (has(content, 0, "TMLM")) return FileKind::package;
  if (has(content, 4, "TFL3")) return FileKind::tflite;
  if (has(content, wire::flash::kImageHeaderOffset, "TMLI")) return FileKind::image;
  return FileKind::other;
}

std::string_view name(FileKind kind) {
  switch (kind) {
    case FileKind::bundle:
      return "signed file";
    case FileKind::image:
      return "application image";
    case FileKind::package:
      return "model package";
    case FileKind::tflite:
      return "TensorFlow Lite model";
    case FileKind::other:
      return "other file";
  }
  return "file";
}

Result<Manifest> facts_of(std::span<const std::byte> content, const ObjectFlags& flags, std::string_view where) {
  Result<Manifest> facts = Manifest{};
  const FileKind kind = kind_of(content);
  if (flags.data) {
    facts->object = ObjectClass::data;
    facts->slots = bit(Slot::data);
  } else if (kind == FileKind::image) {
    facts = image_facts(content, where);
  } else if (kind == FileKind::package) {
    facts = package_facts(content, where);
  } else if (kind == FileKind::tflite) {
    return fail(Errc::usage, "this is a TensorFlow Lite model, not a package", std::string(where),
                "Compile it first: tml-flash compile");
  } else {
    return fail(Errc::usage, "this is no application image, model or signed file", std::string(where),
                "An image has a header at 0x200, a package is made by tml-flash compile; write any other file with "
                "--slot data");
  }
  if (!facts) return facts;
  if (auto applied = apply(*facts, flags); !applied) return pass(std::move(applied.error()));
  return facts;
}

Result<std::vector<SignedObject>> objects_of(std::vector<std::byte> content, const ObjectFlags& flags,
                                             const SecretKey* key, std::uint64_t unix_s, std::string_view where) {
  if (!flags.data && kind_of(content) == FileKind::bundle) return read_bundle(content, where);
  auto facts = facts_of(content, flags, where);
  if (!facts) return pass(std::move(facts.error()));
  if (key == nullptr) return fail(Errc::usage, "there is no key to sign with", std::string(where), "Give --key FILE");
  facts->created_unix_s = unix_s;
  if (facts->object == ObjectClass::app) content.resize((*wire::flash::find_image_header(content))->image_bytes);
  auto object = sign_object(*facts, std::move(content), *key);
  if (!object) {
    Error error = std::move(object.error());
    if (error.where.empty()) error.where = std::string(where);
    return pass(std::move(error));
  }
  std::vector<SignedObject> objects;
  objects.push_back(*std::move(object));
  return objects;
}

Result<std::vector<std::byte>> load_object_file(const std::string& path) {
  const auto text = read_file(path, kMaxObjectFile);
  if (!text) return pass(text.error());
  const auto bytes = std::as_bytes(std::span(*text));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Hash io_hash(std::span<const std::byte> package_header) {
  wire::model::Header header;
  std::memcpy(&header, package_header.data(), std::min(sizeof header, package_header.size()));
  struct Record {
    std::uint32_t type;
    std::array<std::uint32_t, wire::model::kMaxRank> shape;
    float scale;
    std::int32_t zero_point;
    std::uint32_t bytes;
  };
  static_assert(sizeof(Record) == 32);
  std::array<Record, 2> records{};
  const std::array<const wire::model::TensorFacts*, 2> tensors{&header.input, &header.output};
  for (std::size_t n = 0; n < records.size(); ++n) {
    const auto& tensor = *tensors[n];
    records[n] = {static_cast<std::uint32_t>(static_cast<unsigned>(tensor.type) | (unsigned{tensor.rank} << 8U)),
                  tensor.shape, tensor.scale, tensor.zero_point, tensor.bytes};
  }
  return sha256(std::as_bytes(std::span(records)));
}

}  // namespace tml::flashlink
