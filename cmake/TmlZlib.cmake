# SPDX-License-Identifier: Apache-2.0
# zlib's source for the board: the archive of Debian's source package, pinned by its hash, of which the files listed here are compiled:
# those that decode raw deflate. scripts/setup --test fetches it; TML_ZLIB_SOURCE names another place, or a folder with the unpacked source.
include_guard(GLOBAL)

set(TML_ZLIB_VERSION 1.2.13 CACHE INTERNAL "Of the pinned source")
set(TML_ZLIB_ARCHIVE zlib_${TML_ZLIB_VERSION}.dfsg.orig.tar.bz2 CACHE INTERNAL "Its name in Debian's archive")
set(TML_ZLIB_SHA256 71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1 CACHE INTERNAL "Its hash")
set(TML_ZLIB_SOURCE "" CACHE FILEPATH "zlib's source archive or unpacked folder; empty: where scripts/setup --test puts the archive")

# adler32 is named by the decoder, though a raw stream has none.
set(TML_ZLIB_SOURCES adler32.c inffast.c inflate.c inftrees.c CACHE INTERNAL "Of zlib's folder")

function(tml_zlib_missing problem)
  message(FATAL_ERROR "TML_ARM: ${problem}\n"
    "The firmware is linked with zlib ${TML_ZLIB_VERSION} compiled for Cortex-M4F. Do one of these:\n"
    "  scripts/setup --test                    fetches ${TML_ZLIB_ARCHIVE} from a Debian mirror\n"
    "  cmake -DTML_ZLIB_SOURCE=FILE_OR_FOLDER  the archive (SHA-256 ${TML_ZLIB_SHA256}) or an unpacked source\n"
    "  cmake -DTML_ARM=OFF                     builds without the firmware for boards")
endfunction()

# Sets TML_ZLIB_ROOT to the source's folder.
function(tml_find_zlib)
  set(place "${TML_ZLIB_SOURCE}")
  if(NOT place)
    if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
      set(place "$ENV{XDG_CACHE_HOME}/tml/${TML_ZLIB_ARCHIVE}")
    else()
      set(place "$ENV{HOME}/.cache/tml/${TML_ZLIB_ARCHIVE}")
    endif()
  endif()
  if(IS_DIRECTORY "${place}")
    set(root "${place}")
  elseif(EXISTS "${place}")
    file(SHA256 "${place}" hash)
    if(NOT hash STREQUAL TML_ZLIB_SHA256)
      tml_zlib_missing("${place} has the SHA-256 ${hash}, which is not that of ${TML_ZLIB_ARCHIVE}.")
    endif()
    set(folder ${CMAKE_BINARY_DIR}/zlib)
    set(root ${folder}/zlib-${TML_ZLIB_VERSION}.dfsg)
    if(NOT EXISTS ${root}/inflate.c)
      file(ARCHIVE_EXTRACT INPUT "${place}" DESTINATION ${folder})
    endif()
  else()
    tml_zlib_missing("there is no zlib source at ${place}.")
  endif()
  foreach(source ${TML_ZLIB_SOURCES} zlib.h zconf.h)
    if(NOT EXISTS ${root}/${source})
      tml_zlib_missing("${place} is no source of zlib: it has no ${source}.")
    endif()
  endforeach()
  set(TML_ZLIB_ROOT ${root} CACHE INTERNAL "Folder of the source in use")
endfunction()
