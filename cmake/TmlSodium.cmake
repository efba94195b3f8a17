# SPDX-License-Identifier: Apache-2.0
# libsodium's source for the board, of which the files listed here are compiled.
include_guard(GLOBAL)
include(TmlSourceArchive)

set(TML_SODIUM_VERSION 1.0.18 CACHE INTERNAL "Of the pinned source")
set(TML_SODIUM_ARCHIVE libsodium_${TML_SODIUM_VERSION}.orig.tar.gz CACHE INTERNAL "Its name in Debian's archive")
set(TML_SODIUM_SHA256 d59323c6b712a1519a5daf710b68f5e7fde57040845ffec53850911f10a5d4f4 CACHE INTERNAL "Its hash")
set(TML_SODIUM_SOURCE "" CACHE FILEPATH "libsodium's source archive or unpacked folder; empty: where scripts/setup --test puts the archive")

# What the firmware calls: HMAC-SHA256, SHA-256, and the verification of Ed25519 signatures. The linker drops the rest of each file.
set(TML_SODIUM_SOURCES
  crypto_auth/hmacsha256/auth_hmacsha256.c crypto_core/ed25519/ref10/ed25519_ref10.c crypto_hash/sha256/cp/hash_sha256_cp.c
  crypto_hash/sha512/cp/hash_sha512_cp.c crypto_sign/crypto_sign.c crypto_sign/ed25519/ref10/open.c crypto_sign/ed25519/ref10/sign.c
  crypto_sign/ed25519/sign_ed25519.c crypto_verify/sodium/verify.c sodium/utils.c
  CACHE INTERNAL "Below src/libsodium")

# Sets TML_SODIUM_ROOT to the folder src/libsodium of the source.
function(tml_find_sodium)
  tml_find_source(TML_SODIUM_ROOT NAME "libsodium ${TML_SODIUM_VERSION}" ARCHIVE ${TML_SODIUM_ARCHIVE} SHA256 ${TML_SODIUM_SHA256}
    OPTION TML_SODIUM_SOURCE FOLDER libsodium-${TML_SODIUM_VERSION} BELOW src/libsodium FILES ${TML_SODIUM_SOURCES} include/sodium/version.h.in)
  # What its configure script would make.
  set(VERSION ${TML_SODIUM_VERSION})
  set(SODIUM_LIBRARY_VERSION_MAJOR 10)
  set(SODIUM_LIBRARY_VERSION_MINOR 3)
  set(SODIUM_LIBRARY_MINIMAL_DEF "")
  configure_file(${TML_SODIUM_ROOT}/include/sodium/version.h.in ${CMAKE_BINARY_DIR}/arm-include/sodium/version.h @ONLY)
endfunction()
