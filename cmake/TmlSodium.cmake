# SPDX-License-Identifier: Apache-2.0
# libsodium's source for the board: the archive of Debian's source package, pinned by its hash, of which the files listed here are
# compiled. scripts/setup --test fetches it; TML_SODIUM_SOURCE names another place, or a folder with the unpacked source.
include_guard(GLOBAL)

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

function(tml_sodium_missing problem)
  message(FATAL_ERROR "TML_ARM: ${problem}\n"
    "The firmware is linked with libsodium ${TML_SODIUM_VERSION} compiled for Cortex-M4F. Do one of these:\n"
    "  scripts/setup --test                      fetches ${TML_SODIUM_ARCHIVE} from a Debian mirror\n"
    "  cmake -DTML_SODIUM_SOURCE=FILE_OR_FOLDER  the archive (SHA-256 ${TML_SODIUM_SHA256}) or an unpacked source\n"
    "  cmake -DTML_ARM=OFF                       builds without the firmware for boards")
endfunction()

# Sets TML_SODIUM_ROOT to the folder src/libsodium of the source.
function(tml_find_sodium)
  set(place "${TML_SODIUM_SOURCE}")
  if(NOT place)
    if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
      set(place "$ENV{XDG_CACHE_HOME}/tml/${TML_SODIUM_ARCHIVE}")
    else()
      set(place "$ENV{HOME}/.cache/tml/${TML_SODIUM_ARCHIVE}")
    endif()
  endif()
  if(IS_DIRECTORY "${place}")
    set(root "${place}/src/libsodium")
  elseif(EXISTS "${place}")
    file(SHA256 "${place}" hash)
    if(NOT hash STREQUAL TML_SODIUM_SHA256)
      tml_sodium_missing("${place} has the SHA-256 ${hash}, which is not that of ${TML_SODIUM_ARCHIVE}.")
    endif()
    set(folder ${CMAKE_BINARY_DIR}/libsodium)
    set(root ${folder}/libsodium-${TML_SODIUM_VERSION}/src/libsodium)
    if(NOT EXISTS ${root}/sodium/utils.c)
      file(ARCHIVE_EXTRACT INPUT "${place}" DESTINATION ${folder})
    endif()
  else()
    tml_sodium_missing("there is no libsodium source at ${place}.")
  endif()
  foreach(source ${TML_SODIUM_SOURCES} include/sodium/version.h.in)
    if(NOT EXISTS ${root}/${source})
      tml_sodium_missing("${place} is no source of libsodium: it has no src/libsodium/${source}.")
    endif()
  endforeach()
  # What its configure script would make.
  set(VERSION ${TML_SODIUM_VERSION})
  set(SODIUM_LIBRARY_VERSION_MAJOR 10)
  set(SODIUM_LIBRARY_VERSION_MINOR 3)
  set(SODIUM_LIBRARY_MINIMAL_DEF "")
  configure_file(${root}/include/sodium/version.h.in ${CMAKE_BINARY_DIR}/arm-include/sodium/version.h @ONLY)
  set(TML_SODIUM_ROOT ${root} CACHE INTERNAL "src/libsodium of the source in use")
endfunction()
