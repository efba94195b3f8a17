// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The AT commands as data (wire reference 1.7): name, forms, arguments, help, and what runs them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/at.hpp"
#include "firmware/app/capture.hpp"
#include "firmware/app/impulse_job.hpp"
#include "firmware/app/listing.hpp"
#include "firmware/app/model_job.hpp"
#include "firmware/app/model_report.hpp"
#include "firmware/app/model_slot.hpp"
#include "firmware/app/readout.hpp"
#include "firmware/app/services.hpp"
#include "firmware/app/snapshot.hpp"
#include "firmware/app/static_job.hpp"
#include "firmware/app/stream_job.hpp"

namespace tml::fw::app {

/// What a command may use: the services and the jobs, of which one runs at a time.
struct Machine {
  explicit Machine(const Board& board)
      : services(board),
        transfer(services),
        read_out(services, transfer),
        hex_dump(services),
        capture(services),
        cycle(services, capture),
        file_list(services),
        file_clear(services),
        report(services),
        help(services),
        snapshot(services, transfer),
        stream(services),
        slots(services.board),
        impulse(services, transfer, slots, drift),
        static_run(services, slots),
        model_run(services, slots),
        info_report(services, slots),
        model_info(services, slots),
        drift_report(services, slots, drift),
        cascade_report(services, slots, drift) {}

  Services services;
  Transfer transfer;
  ReadOut read_out;
  HexDump hex_dump;
  Capture capture;
  CaptureCycle cycle;
  FileList file_list;
  FileClear file_clear;
  Report report;
  Help help;
  Snapshot snapshot;
  StreamJob stream;
  ModelSlots slots;
  std::array<Drift, kModelSlots> drift{};  ///< What each slot's impulse has seen.
  ImpulseJob impulse;
  StaticJob static_run;
  ModelJob model_run;
  InfoReport info_report;
  ModelInfo model_info;
  DriftReport drift_report;
  CascadeReport cascade_report;
  bool reset_wanted = false;
  bool bootloader_wanted = false;  ///< With reset_wanted: and there to stay.
};

/// Writes the whole answer, ending in a line end, and returns nullptr; or starts a job and returns it. The views in the
/// request stay valid until the job has finished.
using Handler = Job* (*)(Machine& machine, const wire::AtRequest& request);

struct Command {
  std::string_view name;       ///< Without "AT+".
  Handler run = nullptr;       ///< AT+NAME; nullptr: no such form.
  Handler read = nullptr;      ///< AT+NAME?
  Handler write = nullptr;     ///< AT+NAME=...
  std::string_view arguments;  ///< Of the write form, optional ones in square brackets.
  std::uint8_t min_arguments = 0;
  std::uint8_t max_arguments = 0;
  std::string_view help;
};

[[nodiscard]] std::span<const Command> commands();

/// Runs one line as the editor gave it: parses, looks the command up, checks form and number of arguments, calls the
/// handler. Refusals print their text and return nullptr.
[[nodiscard]] Job* run_line(Machine& machine, std::string_view line);

/// "ERR: <text>" and the line end. A "> " in it is defused.
void print_error(Services& services, std::string_view text);

}  // namespace tml::fw::app
