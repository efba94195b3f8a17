// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "tests/qemu/support/semihost.hpp"

#include <cstring>

namespace tml::qemu {
namespace {

constexpr long kOpen = 0x01;
constexpr long kClose = 0x02;
constexpr long kWrite0 = 0x04;
constexpr long kWrite = 0x05;
constexpr long kRead = 0x06;
constexpr long kSeek = 0x0A;
constexpr long kExitExtended = 0x20;
constexpr long kApplicationExit = 0x20026;
constexpr long kReadBinary = 1;
constexpr long kWriteBinary = 5;

long call(long operation, const void* argument) {
  register long r0 asm("r0") = operation;
  register const void* r1 asm("r1") = argument;
  asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

long open(const char* file, long mode) {
  const struct {
    const char* name;
    long mode;
    std::size_t length;
  } block{file, mode, std::strlen(file)};
  return call(kOpen, &block);
}

}  // namespace

void leave(int status) {
  const struct {
    long reason;
    long status;
  } block{kApplicationExit, status};
  call(kExitExtended, &block);
  while (true) {
  }
}

void say(const char* text) { call(kWrite0, text); }

void say(const char* name, std::uint32_t value) {
  char digits[12];
  std::size_t at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = static_cast<char>('0' + value % 10U);
    value /= 10U;
  } while (value != 0);
  say(name);
  say(" ");
  say(digits + at);
  say("\n");
}

long read_file(const char* file, std::size_t offset, std::span<std::byte> into) {
  const long handle = open(file, kReadBinary);
  if (handle < 0) return -1;
  const struct {
    long handle;
    std::size_t offset;
  } seek{handle, offset};
  call(kSeek, &seek);
  const struct {
    long handle;
    std::byte* into;
    std::size_t size;
  } read{handle, into.data(), into.size()};
  const long left = call(kRead, &read);
  call(kClose, &handle);
  return static_cast<long>(into.size()) - left;
}

int create_file(const char* file) { return static_cast<int>(open(file, kWriteBinary)); }

bool append(int file, std::span<const std::byte> bytes) {
  const struct {
    long handle;
    const std::byte* from;
    std::size_t size;
  } block{file, bytes.data(), bytes.size()};
  return call(kWrite, &block) == 0;
}

}  // namespace tml::qemu

// Distinct bodies: the counter tells them apart by address.
extern "C" [[gnu::noinline]] void bench_begin() { asm volatile("" ::: "memory"); }
extern "C" [[gnu::noinline]] void bench_end() { asm volatile("nop" ::: "memory"); }
