// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What signing costs beside the hash it needs: common/sample's Signer against OpenSSL's EVP_MAC over the same bytes,
// and the board's signer (libsodium, streaming in 513-byte pieces, as the firmware writes). The share is
// `signer_sign / openssl_hmac` at equal sizes; scripts/bench capture prints it.
#include <benchmark/benchmark.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "common/sample/document.hpp"
#include "common/sample/signature.hpp"
#include "common/sample/writer.hpp"

namespace {

constexpr std::string_view kKey = "fed53116f20684c067774ebf9e7bcbdc";

// A three-axis recording of about `bytes` bytes, as a board sends it.
std::string make_document(std::size_t bytes) {
  tml::sample::Header header;
  header.nonce = "000102030405060708090a0b0c0d0e0f";
  header.device_name = "bench";
  header.device_type = "TML_BOARD";
  header.interval_ms = 10;
  header.sensors = {{"accX", "m/s2"}, {"accY", "m/s2"}, {"accZ", "m/s2"}};
  constexpr std::size_t kRowBytes = 16;  // array(3) and three single floats
  std::vector<double> values;
  for (std::size_t row = 0; row < bytes / kRowBytes; ++row) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      values.push_back(static_cast<double>(std::sin(static_cast<float>(row * 3 + axis))));
    }
  }
  auto document = tml::sample::write_cbor(header, values);
  if (!document) {
    std::abort();
  }
  return std::move(*document);
}

void openssl_hmac(benchmark::State& state) {
  const std::string document = make_document(static_cast<std::size_t>(state.range(0)));
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr), &EVP_MAC_free);
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_new(mac.get()),
                                                                          &EVP_MAC_CTX_free);
  std::string digest_name = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name.data(), 0),
                                   OSSL_PARAM_construct_end()};
  const auto* bytes = reinterpret_cast<const unsigned char*>(document.data());
  const auto* key = reinterpret_cast<const unsigned char*>(kKey.data());
  unsigned char out[32];
  for (auto _ : state) {
    std::size_t written = 0;
    if (EVP_MAC_init(context.get(), key, kKey.size(), parameters) != 1 ||
        EVP_MAC_update(context.get(), bytes, document.size()) != 1 ||
        EVP_MAC_final(context.get(), out, &written, sizeof out) != 1) {
      state.SkipWithError("EVP_MAC failed");
      break;
    }
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(document.size()));
}

void signer_sign(benchmark::State& state) {
  std::string document = make_document(static_cast<std::size_t>(state.range(0)));
  const auto parsed = tml::sample::parse(tml::sample::as_bytes(document));
  if (!parsed) {
    state.SkipWithError("the document does not parse");
    return;
  }
  tml::sample::Signer signer(kKey);
  const auto bytes = std::as_writable_bytes(std::span(document.data(), document.size()));
  for (auto _ : state) {
    const auto signature = signer.sign(bytes, *parsed);
    if (!signature) {
      state.SkipWithError("signing failed");
      break;
    }
    benchmark::DoNotOptimize(signature->data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(document.size()));
}

// What the daemon does with a sample that it has read: parse within limits, then verify.
void signer_parse_and_verify(benchmark::State& state) {
  std::string document = make_document(static_cast<std::size_t>(state.range(0)));
  tml::sample::Signer signer(kKey);
  if (!signer.sign(std::as_writable_bytes(std::span(document.data(), document.size())))) {
    state.SkipWithError("signing failed");
    return;
  }
  const auto bytes = tml::sample::as_bytes(document);
  for (auto _ : state) {
    const auto parsed = tml::sample::parse(bytes);
    if (!parsed || signer.verify(bytes, *parsed) != tml::sample::Verification::verified) {
      state.SkipWithError("verifying failed");
      break;
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(document.size()));
}

void board_libsodium(benchmark::State& state) {
  const std::string document = make_document(static_cast<std::size_t>(state.range(0)));
  const auto* bytes = reinterpret_cast<const unsigned char*>(document.data());
  const auto* key = reinterpret_cast<const unsigned char*>(kKey.data());
  constexpr std::size_t kPiece = 513;
  unsigned char out[crypto_auth_hmacsha256_BYTES];
  for (auto _ : state) {
    crypto_auth_hmacsha256_state context;
    crypto_auth_hmacsha256_init(&context, key, kKey.size());
    for (std::size_t at = 0; at < document.size(); at += kPiece) {
      crypto_auth_hmacsha256_update(&context, bytes + at, std::min(kPiece, document.size() - at));
    }
    crypto_auth_hmacsha256_final(&context, out);
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(document.size()));
}

constexpr std::int64_t kAccelerometerSample = 28 * 1024;  // The sample of wire reference 1.16.
constexpr std::int64_t kLongSample = 1024 * 1024;

BENCHMARK(openssl_hmac)->Arg(kAccelerometerSample)->Arg(kLongSample);
BENCHMARK(signer_sign)->Arg(kAccelerometerSample)->Arg(kLongSample);
BENCHMARK(signer_parse_and_verify)->Arg(kAccelerometerSample)->Arg(kLongSample);
BENCHMARK(board_libsodium)->Arg(kAccelerometerSample)->Arg(kLongSample);

}  // namespace

int main(int argc, char** argv) {
  if (sodium_init() < 0) {
    return 1;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
