// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/spool/form_body.hpp"

namespace tml::spool {
namespace {

/// The quoted string of Content-Disposition, by the WHATWG's form encoding.
std::string quoted(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '"') {
      out += "%22";
    } else if (c == '\r') {
      out += "%0D";
    } else if (c == '\n') {
      out += "%0A";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

bool is_form(const EntryInfo& entry) { return entry.path.ends_with("/files"); }

FormBody form_body(const EntryInfo& entry, std::string_view payload) {
  std::string boundary = "tml-" + entry.envelope;
  while (payload.find(boundary) != std::string_view::npos) boundary += "-x";
  FormBody form;
  form.content_type = "multipart/form-data; boundary=" + boundary;
  form.body = "--" + boundary + "\r\nContent-Disposition: form-data; name=\"data\"; filename=\"" +
              quoted(entry.file_name) + "\"\r\nContent-Type: " + entry.content_type + "\r\n\r\n";
  form.body += payload;
  form.body += "\r\n--" + boundary + "--\r\n";
  return form;
}

}  // namespace tml::spool
