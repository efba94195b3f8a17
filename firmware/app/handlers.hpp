// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The handlers behind the command table; one per form of a command. See Handler in commands.hpp for their contract.
#pragma once

#include "firmware/app/commands.hpp"

namespace tml::fw::app::handlers {

/// "y" or "n" behind the other arguments (wire reference 1.8); none means n. False: something else, and ERR was
/// printed.
[[nodiscard]] bool read_fast_flag(Services& services, const wire::AtRequest& request, std::size_t index, bool& fast);

// settings_handlers.cpp
Job* read_device_id(Machine&, const wire::AtRequest&);
Job* write_device_id(Machine&, const wire::AtRequest&);
Job* read_wifi(Machine&, const wire::AtRequest&);
Job* write_wifi(Machine&, const wire::AtRequest&);
Job* read_sampling(Machine&, const wire::AtRequest&);
Job* write_sampling(Machine&, const wire::AtRequest&);
Job* read_cycle(Machine&, const wire::AtRequest&);
Job* write_cycle(Machine&, const wire::AtRequest&);
Job* read_upload(Machine&, const wire::AtRequest&);
Job* write_upload(Machine&, const wire::AtRequest&);
Job* read_upload_host(Machine&, const wire::AtRequest&);
Job* write_upload_host(Machine&, const wire::AtRequest&);
Job* read_management(Machine&, const wire::AtRequest&);
Job* write_management(Machine&, const wire::AtRequest&);
Job* clear_config(Machine&, const wire::AtRequest&);

// file_handlers.cpp
Job* list_files(Machine&, const wire::AtRequest&);
Job* clear_files(Machine&, const wire::AtRequest&);
Job* read_file(Machine&, const wire::AtRequest&);
Job* read_buffer(Machine&, const wire::AtRequest&);
Job* read_raw(Machine&, const wire::AtRequest&);
Job* unlink_file(Machine&, const wire::AtRequest&);
Job* upload_file(Machine&, const wire::AtRequest&);
Job* start_sampling(Machine&, const wire::AtRequest&);
Job* start_cycle(Machine&, const wire::AtRequest&);

// snapshot_handlers.cpp
Job* snapshot_info(Machine&, const wire::AtRequest&);
Job* take_snapshot(Machine&, const wire::AtRequest&);
Job* stream_snapshots(Machine&, const wire::AtRequest&);

// stream_handlers.cpp
Job* start_stream(Machine&, const wire::AtRequest&);

// impulse_handlers.cpp
Job* run_impulse(Machine&, const wire::AtRequest&);
Job* run_impulse_debug(Machine&, const wire::AtRequest&);
Job* run_impulse_continuous(Machine&, const wire::AtRequest&);
Job* run_impulse_static(Machine&, const wire::AtRequest&);
Job* run_model(Machine&, const wire::AtRequest&);
Job* model_info(Machine&, const wire::AtRequest&);
Job* drift(Machine&, const wire::AtRequest&);
Job* reset_drift(Machine&, const wire::AtRequest&);
Job* cascade(Machine&, const wire::AtRequest&);

// update_handlers.cpp
Job* boot_mode(Machine&, const wire::AtRequest&);
Job* slots(Machine&, const wire::AtRequest&);
Job* confirm_all(Machine&, const wire::AtRequest&);
Job* confirm(Machine&, const wire::AtRequest&);
Job* revert(Machine&, const wire::AtRequest&);

// commands.cpp
Job* help(Machine&, const wire::AtRequest&);
Job* info(Machine&, const wire::AtRequest&);
Job* config(Machine&, const wire::AtRequest&);
Job* device_info(Machine&, const wire::AtRequest&);
Job* sensors(Machine&, const wire::AtRequest&);
Job* reset(Machine&, const wire::AtRequest&);
Job* scan_wifi(Machine&, const wire::AtRequest&);

}  // namespace tml::fw::app::handlers
