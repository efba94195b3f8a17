# SPDX-License-Identifier: Apache-2.0
# zlib's source for the board, of which the files listed here are compiled: those that decode raw deflate.
include_guard(GLOBAL)
include(TmlSourceArchive)

set(TML_ZLIB_VERSION 1.2.13 CACHE INTERNAL "Of the pinned source")
set(TML_ZLIB_ARCHIVE zlib_${TML_ZLIB_VERSION}.dfsg.orig.tar.bz2 CACHE INTERNAL "Its name in Debian's archive")
set(TML_ZLIB_SHA256 71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1 CACHE INTERNAL "Its hash")
set(TML_ZLIB_SOURCE "" CACHE FILEPATH "zlib's source archive or unpacked folder; empty: where scripts/setup --test puts the archive")

# adler32 is named by the decoder, though a raw stream has none.
set(TML_ZLIB_SOURCES adler32.c inffast.c inflate.c inftrees.c CACHE INTERNAL "Of zlib's folder")

# Sets TML_ZLIB_ROOT to the source's folder.
function(tml_find_zlib)
  tml_find_source(TML_ZLIB_ROOT NAME "zlib ${TML_ZLIB_VERSION}" ARCHIVE ${TML_ZLIB_ARCHIVE} SHA256 ${TML_ZLIB_SHA256}
    OPTION TML_ZLIB_SOURCE FOLDER zlib-${TML_ZLIB_VERSION}.dfsg BELOW . FILES ${TML_ZLIB_SOURCES} zlib.h zconf.h)
endfunction()
