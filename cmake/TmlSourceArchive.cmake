# SPDX-License-Identifier: Apache-2.0
# Third-party source that is compiled for the board: an archive of a Debian source package, pinned by its hash. scripts/setup --test fetches
# it; an option names another place, or a folder with the unpacked source.
include_guard(GLOBAL)

function(tml_source_missing problem)
  cmake_parse_arguments(A "" "NAME;ARCHIVE;SHA256;OPTION" "" ${ARGN})
  message(FATAL_ERROR "TML_ARM: ${problem}\n"
    "The firmware is linked with ${A_NAME} compiled for Cortex-M4F. Do one of these:\n"
    "  scripts/setup --test                    fetches ${A_ARCHIVE} from a Debian mirror\n"
    "  cmake -D${A_OPTION}=FILE_OR_FOLDER  the archive (SHA-256 ${A_SHA256}) or an unpacked source\n"
    "  cmake -DTML_ARM=OFF                     builds without the firmware for boards")
endfunction()

# tml_find_source(VARIABLE NAME "zlib 1.2.13" ARCHIVE F SHA256 H OPTION TML_X_SOURCE FOLDER unpacked [BELOW src/x] FILES a.c...)
# Sets VARIABLE to the folder BELOW the source's FOLDER in which all FILES are; unpacks the archive into the build folder once.
function(tml_find_source variable)
  cmake_parse_arguments(A "" "NAME;ARCHIVE;SHA256;OPTION;FOLDER;BELOW" "FILES" ${ARGN})
  set(told NAME ${A_NAME} ARCHIVE ${A_ARCHIVE} SHA256 ${A_SHA256} OPTION ${A_OPTION})
  set(place "${${A_OPTION}}")
  if(NOT place)
    if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
      set(place "$ENV{XDG_CACHE_HOME}/tml/${A_ARCHIVE}")
    else()
      set(place "$ENV{HOME}/.cache/tml/${A_ARCHIVE}")
    endif()
  endif()
  if(IS_DIRECTORY "${place}")
    set(source "${place}")
  elseif(EXISTS "${place}")
    file(SHA256 "${place}" hash)
    if(NOT hash STREQUAL A_SHA256)
      tml_source_missing("${place} has the SHA-256 ${hash}, which is not that of ${A_ARCHIVE}." ${told})
    endif()
    set(source ${CMAKE_BINARY_DIR}/sources/${A_FOLDER})
    # An unpacking that was interrupted is done again.
    list(GET A_FILES -1 last)
    if(NOT EXISTS ${source}/${A_BELOW}/${last})
      file(ARCHIVE_EXTRACT INPUT "${place}" DESTINATION ${CMAKE_BINARY_DIR}/sources)
    endif()
  else()
    tml_source_missing("there is no source of ${A_NAME} at ${place}." ${told})
  endif()
  cmake_path(APPEND source ${A_BELOW} OUTPUT_VARIABLE root)
  cmake_path(NORMAL_PATH root)
  foreach(file ${A_FILES})
    if(NOT EXISTS ${root}/${file})
      tml_source_missing("${place} is no source of ${A_NAME}: it has no ${A_BELOW}/${file}." ${told})
    endif()
  endforeach()
  set(${variable} ${root} CACHE INTERNAL "Source of ${A_NAME} in use")
endfunction()
