// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An SmpServer on a board in memory, and a plain client that sends one request at a time.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/wire/bytes.hpp"
#include "common/wire/cbor.hpp"
#include "common/wire/smp.hpp"
#include "firmware/boot/smp_server.hpp"
#include "tests/support/flash_fakes.hpp"

namespace tml::fw::boot {

struct Answer {
  wire::smp::Header header;
  std::vector<std::byte> body;
  wire::smp::Fields fields;  // views into body
  [[nodiscard]] std::string text() const { return std::string(wire::as_text(body)); }
};

inline std::vector<std::byte> file_of(const flashtest::Object& object) {
  std::vector<std::byte> file;
  for (const auto part : {object.manifest_bytes(), object.list_bytes(), std::as_bytes(std::span(object.payload))})
    file.insert(file.end(), part.begin(), part.end());
  return file;
}

inline std::vector<std::byte> bundle_of(const std::vector<const flashtest::Object*>& objects) {
  std::vector<std::byte> file(8 + 8 * objects.size());
  const auto put = [&](std::size_t at, std::size_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) file[at + i] = static_cast<std::byte>(value >> (8 * i));
  };
  for (std::size_t i = 0; i < 4; ++i) file[i] = static_cast<std::byte>("TMLU"[i]);
  put(4, 1, 2);
  put(6, objects.size(), 2);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    file.resize((file.size() + 15) / 16 * 16);
    const std::vector<std::byte> object = file_of(*objects[i]);
    put(8 + 8 * i, file.size(), 4);
    put(12 + 8 * i, object.size(), 4);
    file.insert(file.end(), object.begin(), object.end());
  }
  return file;
}

class ServerBench {
 public:
  ServerBench() { installer.mount(); }
  explicit ServerBench(std::vector<std::uint8_t> flash) {
    bench.flash.bytes = std::move(flash);
    installer.mount();
  }

  flashtest::Bench bench;
  update::Parts parts = bench.parts();
  update::Installer installer{parts, bench.memory()};
  SmpServer server{installer, parts, bench.window};
  std::uint8_t version = 1;
  std::optional<std::size_t> stop_at;  // the client of upload() dies behind this offset
  std::size_t bytes_sent = 0;
  std::size_t part_bytes = 600;
  Answer last;

  /// An application that runs from slot 0.
  void run_one() {
    const flashtest::Object old = flashtest::make_app(flashtest::noise(3000, 99), 0x01000000);
    EXPECT_EQ(flashtest::install(installer, old, 0), wire::flash::Status::ok);
    EXPECT_EQ(flashtest::run(installer, installer.select({.slot = 0, .permanent = 1})).status, wire::flash::Status::ok);
  }

  void hear(std::string_view bytes) {
    for (const char c : bytes) {
      bench.clock.now_us += 87;
      static_cast<void>(server.receive(static_cast<std::uint8_t>(c)));
    }
  }
  // What the server says, with all the work that it takes.
  std::string output() {
    std::string out;
    for (int i = 0; i < 100'000; ++i) {
      const bool more = server.poll();
      const auto bytes = server.output();
      out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      const bool said = !bytes.empty();
      server.sent(bytes.size());
      if (!more && !said) break;
    }
    return out;
  }
  std::vector<Answer> answers() {
    std::vector<Answer> all;
    std::vector<std::byte> memory(4096);
    wire::smp::Assembler assembler(memory);
    for (const char c : output()) {
      if (assembler.push(static_cast<std::uint8_t>(c)) != wire::smp::Assembler::Event::packet) continue;
      Answer answer;
      answer.header = wire::smp::parse_header(assembler.packet()).value();
      const auto body = assembler.packet().subspan(wire::smp::kHeaderBytes);
      answer.body.assign(body.begin(), body.end());
      all.push_back(std::move(answer));
    }
    for (Answer& answer : all) answer.fields = wire::smp::parse_fields(answer.body).value();
    return all;
  }
  using Fill = std::function<void(wire::CborWriter&)>;
  std::string request(wire::smp::Op op, std::uint16_t group, std::uint8_t id, const Fill& fill) {
    std::vector<std::byte> packet(4096);
    wire::CborWriter writer(std::span(packet).subspan(wire::smp::kHeaderBytes));
    if (fill) {
      fill(writer);
    } else {
      writer.map(0);
    }
    packet.resize(wire::smp::kHeaderBytes + writer.size());
    wire::smp::put_header({.version = version,
                           .op = op,
                           .body_bytes = static_cast<std::uint16_t>(writer.size()),
                           .group = group,
                           .sequence = ++sequence_,
                           .id = id},
                          std::span(packet).first<wire::smp::kHeaderBytes>());
    std::vector<std::byte> lines(wire::smp::encoded_bytes(packet.size()));
    static_cast<void>(wire::smp::encode_lines(packet, lines));
    return std::string(wire::as_text(lines));
  }
  Answer ask(wire::smp::Op op, std::uint16_t group, std::uint8_t id, const Fill& fill = {}) {
    hear(request(op, group, id, fill));
    std::vector<Answer> all = answers();
    EXPECT_EQ(all.size(), 1U);
    if (all.empty()) return {};
    last = std::move(all.front());
    last.fields = wire::smp::parse_fields(last.body).value();
    EXPECT_EQ(last.header.sequence, sequence_);
    Answer copy = last;
    copy.fields = wire::smp::parse_fields(copy.body).value();
    return copy;
  }
  /// The rc, or nothing when the last offset is the end (or stop_at).
  std::optional<std::uint64_t> upload(std::span<const std::byte> file, std::uint64_t image = 0) {
    const auto sha = flashtest::sha256({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()});
    std::uint64_t off = 0;
    for (int i = 0; i < 10'000 && off < file.size(); ++i) {
      if (stop_at && off >= *stop_at) return std::nullopt;
      const auto part = file.subspan(off, std::min<std::size_t>(part_bytes, file.size() - off));
      bytes_sent += part.size();
      const Answer answer = ask(wire::smp::Op::write, 1, wire::smp::kImageUpload, [&](wire::CborWriter& writer) {
        writer.map(off == 0 ? 5 : 2);
        writer.text("off");
        writer.unsigned_int(off);
        writer.text("data");
        writer.bytes(part);
        if (off != 0) return;
        writer.text("image");
        writer.unsigned_int(image);
        writer.text("len");
        writer.unsigned_int(file.size());
        writer.text("sha");
        writer.bytes(std::as_bytes(std::span(sha)));
      });
      if (answer.fields.rc.value_or(0) != 0) return answer.fields.rc;
      EXPECT_TRUE(answer.fields.off);
      off = answer.fields.off.value_or(file.size());
    }
    return std::nullopt;
  }

 private:
  std::uint8_t sequence_ = 0;
};

}  // namespace tml::fw::boot
