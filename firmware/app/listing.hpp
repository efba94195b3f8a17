// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Answers of many lines, produced as the transmitter drains: the file list, the clearing of all files, the
// configuration, the help.
#pragma once

#include <cstddef>
#include <cstdint>

#include "firmware/app/job.hpp"
#include "firmware/app/services.hpp"

namespace tml::fw::app {

/// AT+LISTFILES: one path per line, oldest first; an empty line when there are none.
class FileList final : public Job {
 public:
  explicit FileList(Services& services) : services_(services) {}
  void begin() { next_ = 0, stopping_ = false; }
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  Services& services_;
  std::size_t next_ = 0;
  bool stopping_ = false;
};

/// AT+CLEARFILES: unlinks one file per step.
class FileClear final : public Job {
 public:
  explicit FileClear(Services& services) : services_(services) {}
  void begin();
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  Services& services_;
  std::size_t failed_ = 0;  ///< Files that could not be unlinked; they stay at the front.
  bool stopping_ = false;
};

/// An answer that is written in one piece once the transmitter has room for all of it.
class Report final : public Job {
 public:
  using Write = void (*)(const wire::DeviceConfig&, wire::TextSink);
  explicit Report(Services& services) : services_(services) {}
  void begin(Write write) { write_ = write; }
  Step step() override;
  void stop() override {}

 private:
  Services& services_;
  Write write_ = nullptr;
};

/// AT+HELP (wire reference 1.2): one command per step.
class Help final : public Job {
 public:
  explicit Help(Services& services) : services_(services) {}
  void begin() { next_ = 0, stopping_ = false; }
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  Services& services_;
  std::size_t next_ = 0;
  bool stopping_ = false;
};

}  // namespace tml::fw::app
