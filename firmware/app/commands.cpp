// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/commands.hpp"

#include <algorithm>
#include <array>

#include "firmware/app/handlers.hpp"

namespace tml::fw::app {
namespace {

using namespace handlers;

constexpr std::array kCommands = {
    Command{"HELP", help, nullptr, nullptr, "", 0, 0, "Lists all commands"},
    Command{"INFO", info, nullptr, nullptr, "", 0, 0, "Prints firmware, model and capabilities"},
    Command{"CONFIG", nullptr, config, nullptr, "", 0, 0, "Prints the complete configuration"},
    Command{"DEVICEINFO", nullptr, device_info, nullptr, "", 0, 0, "Prints id, type, AT version and transfer rate"},
    Command{"SENSORS", nullptr, sensors, nullptr, "", 0, 0, "Lists the sensors"},
    Command{"CLEARCONFIG", clear_config, nullptr, nullptr, "", 0, 0, "Sets all settings back to their defaults"},
    Command{"RESET", reset, nullptr, nullptr, "", 0, 0, "Restarts the board"},
    Command{"DEVICEID", nullptr, read_device_id, write_device_id, "ID", 1, 1, "Reads or sets the device id"},
    Command{"WIFI", nullptr, read_wifi, write_wifi, "SSID,PASSWORD,SECURITY", 3, 3, "Reads or sets the WiFi network"},
    Command{"SCANWIFI", scan_wifi, nullptr, nullptr, "", 0, 0, "Scans for WiFi networks"},
    Command{"SAMPLESETTINGS", nullptr, read_sampling, write_sampling, "LABEL,INTERVAL_MS,LENGTH_MS,[HMAC_KEY]", 3, 4,
            "Reads or sets what AT+SAMPLESTART records"},
    Command{"INGESTIONCYCLESETTINGS", nullptr, read_cycle, write_cycle,
            "SENSOR_LABEL,TOTAL_INGESTION_TIME_MS,INTERVAL_TIME_MS", 3, 3,
            "Reads or sets what AT+STARTINGESTIONCYCLE records"},
    Command{"STARTINGESTIONCYCLE", start_cycle, nullptr, nullptr, "", 0, 0,
            "Records a sample each interval until the total time is over, stop with b"},
    Command{"UPLOADSETTINGS", nullptr, read_upload, write_upload, "APIKEY,PATH", 2, 2,
            "Reads or sets API key and upload path"},
    Command{"UPLOADHOST", nullptr, read_upload_host, write_upload_host, "HOST", 1, 1, "Reads or sets the upload host"},
    Command{"MGMTSETTINGS", nullptr, read_management, write_management, "URL", 1, 1,
            "Reads or sets the remote management address"},
    Command{"LISTFILES", list_files, nullptr, nullptr, "", 0, 0, "Lists the stored samples"},
    Command{"CLEARFILES", clear_files, nullptr, nullptr, "", 0, 0, "Removes all stored samples"},
    Command{"READFILE", nullptr, nullptr, read_file, "FILE,[USEMAXRATE?(y/n)]", 1, 2,
            "Prints a stored sample as base64"},
    Command{"READBUFFER", nullptr, nullptr, read_buffer, "START,LENGTH,[USEMAXRATE?(y/n)]", 2, 3,
            "Prints part of the newest sample as base64"},
    Command{"READRAW", nullptr, nullptr, read_raw, "START,LENGTH", 2, 2, "Prints part of the newest sample as hex"},
    Command{"UNLINKFILE", nullptr, nullptr, unlink_file, "FILE", 1, 1, "Removes a stored sample"},
    Command{"UPLOADFILE", nullptr, nullptr, upload_file, "FILE", 1, 1, "Uploads a stored sample over WiFi"},
    Command{"SAMPLESTART", nullptr, nullptr, start_sampling, "SENSOR_NAME", 1, 1, "Records a sample, stop with b"},
    Command{"STREAMSTART", nullptr, nullptr, start_stream, "SENSOR_NAME,HZ,[FORM(text/frames/batch)]", 2, 3,
            "Streams readings, stop with b"},
    Command{"SNAPSHOT", nullptr, snapshot_info, take_snapshot, "WIDTH,HEIGHT,[USEMAXRATE?(y/n)]", 2, 3,
            "Takes a picture"},
    Command{"SNAPSHOTSTREAM", nullptr, nullptr, stream_snapshots, "WIDTH,HEIGHT,[USEMAXRATE?(y/n)]", 2, 3,
            "Streams pictures, stop with b"},
    Command{"RUNIMPULSE", run_impulse, nullptr, nullptr, "", 0, 0, "Runs the model, stop with b"},
    Command{"RUNIMPULSEDEBUG", run_impulse_debug, nullptr, run_impulse_debug, "[USEMAXRATE?(y/n)]", 0, 1,
            "Runs the model with details, stop with b"},
    Command{"RUNIMPULSECONT", run_impulse_continuous, nullptr, nullptr, "", 0, 0,
            "Runs the model continuously, stop with b"},
    Command{"RUNIMPULSESTATIC", nullptr, nullptr, run_impulse_static, "DEBUG?(y/n),LENGTH", 2, 2,
            "Runs the model on data given by the host"},
    Command{"RUNMODEL", nullptr, nullptr, run_model, "SLOT,BYTES", 2, 2,
            "Runs the model on its input tensor, with a checksum of each layer"},
    Command{"MODELINFO", nullptr, model_info, nullptr, "", 0, 0, "Tells about the packages in the model slots"},
    Command{"DRIFT", nullptr, drift, reset_drift, "RESET", 1, 1, "Tells what the models have seen since the reset"},
    Command{"CASCADE", nullptr, cascade, nullptr, "", 0, 0, "Tells what the second stage of a cascade cost"},
    Command{"BOOTMODE", boot_mode, nullptr, nullptr, "", 0, 0, "Restarts into the boot loader"},
    Command{"SLOTS", nullptr, slots, nullptr, "", 0, 0, "Tells about the slots that updates go to"},
    Command{"CONFIRM", confirm_all, nullptr, confirm, "LANE(app/model-0/model-1)", 1, 1,
            "Keeps what is on trial: everything, or that of one lane"},
    Command{"REVERT", nullptr, nullptr, revert, "LANE(app/model-0/model-1)", 1, 1,
            "Goes back to what ran before the last update"},
};

void refuse(Services& services, wire::AtRefusal refusal, std::string_view line) {
  // "Not a valid AT command" stays as hosts know it (wire reference 1.2, 1.3); all other failures begin with "ERR: ".
  const bool bare = refusal == wire::AtRefusal::unknown_command || refusal == wire::AtRefusal::no_handler;
  if (bare) services.out.text("ERR: ");
  wire::write_at_refusal(refusal, line, services.sink());
}

Handler handler_of(const Command& command, wire::AtForm form) {
  switch (form) {
    case wire::AtForm::run:
      return command.run;
    case wire::AtForm::read:
      return command.read;
    case wire::AtForm::write:
      return command.write;
  }
  return nullptr;
}

}  // namespace

std::span<const Command> commands() { return kCommands; }

void print_error(Services& services, std::string_view text) {
  services.out.text("ERR: ");
  wire::write_without_prompt(text, services.sink());
  services.out.text("\n");
}

Job* run_line(Machine& machine, std::string_view line) {
  Services& services = machine.services;
  const auto request = wire::parse_at_line(line);
  if (!request) {
    refuse(services, request.error(), line);
    return nullptr;
  }
  const auto* const command = std::find_if(kCommands.begin(), kCommands.end(),
                                           [&request](const Command& c) { return c.name == request->name; });
  if (command == kCommands.end()) {
    refuse(services, wire::AtRefusal::unknown_command, line);
    return nullptr;
  }
  const Handler handler = handler_of(*command, request->form);
  if (handler == nullptr) {
    refuse(services, wire::AtRefusal::no_handler, line);
    return nullptr;
  }
  if (request->form == wire::AtForm::write) {
    const bool few = request->arg_count < command->min_arguments;
    if (few || request->arg_count > command->max_arguments) {
      Line text;
      text.put(few ? "Missing argument! Required: AT+" : "Too many arguments! Allowed: AT+")
          .put(command->name)
          .put('=')
          .put(command->arguments);
      print_error(services, text.view());
      return nullptr;
    }
  }
  return handler(machine, *request);
}

namespace handlers {

Job* help(Machine& machine, const wire::AtRequest&) {
  machine.help.begin();
  return &machine.help;
}

Job* info(Machine& machine, const wire::AtRequest&) { return &machine.info_report; }

Job* config(Machine& machine, const wire::AtRequest&) {
  machine.report.begin(wire::write_device_config);
  return &machine.report;
}

Job* device_info(Machine& machine, const wire::AtRequest&) {
  machine.report.begin(wire::write_device_info);
  return &machine.report;
}

Job* sensors(Machine& machine, const wire::AtRequest&) {
  if (machine.services.board.sensors.empty()) {
    machine.services.out.text("\n");
    return nullptr;
  }
  machine.report.begin(wire::write_sensors);
  return &machine.report;
}

Job* reset(Machine& machine, const wire::AtRequest&) {
  machine.services.out.text("Restarting system...\n");
  machine.reset_wanted = true;
  return nullptr;
}

Job* scan_wifi(Machine& machine, const wire::AtRequest&) {
  print_error(machine.services, "Device does not have a WiFi interface");
  return nullptr;
}

}  // namespace handlers
}  // namespace tml::fw::app
