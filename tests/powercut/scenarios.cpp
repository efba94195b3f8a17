// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What may be under way when the power fails. Each job goes from wherever a cut has left the board to the same end, by
// looking at the boot record as tml-flash does.
#include <array>

#include "tests/powercut/board.hpp"

namespace tml::powercut {
namespace {

using fw::flashtest::Signer;
using wire::flash::BootRecord;
using wire::flash::Slot;

constexpr auto kAppA = static_cast<std::uint8_t>(Slot::app_a);
constexpr auto kAppB = static_cast<std::uint8_t>(Slot::app_b);
constexpr auto kModelA = static_cast<std::uint8_t>(Slot::model_0a);
constexpr auto kModelB = static_cast<std::uint8_t>(Slot::model_0b);
constexpr auto kData = static_cast<std::uint8_t>(Slot::data);
constexpr std::uint8_t kApp = 0;  // lanes
constexpr std::uint8_t kModel = 1;
constexpr std::uint32_t kOldEpoch = 2;
constexpr std::uint32_t kNewEpoch = 5;

// ---- objects ----

/// One contract for all, so that every model fits every application.
Object with_contract(Object object) {
  object.manifest.kernel_abi = 2;
  object.manifest.kernels = 0xFF;
  object.manifest.arena_bytes = 4096;
  Signer::development().sign(object.manifest);
  return object;
}

const Object& old_app() {
  static const Object object =
      with_contract(fw::flashtest::make_app(fw::flashtest::noise(9000, 1), 0x01000000, kOldEpoch));
  return object;
}
// What the other slots held before: it must never run again.
const Object& ancient_app() {
  static const Object object =
      with_contract(fw::flashtest::make_app(fw::flashtest::noise(16'000, 11), 0x00090000, kOldEpoch));
  return object;
}
const Object& ancient_model() {
  static const Object object =
      with_contract(fw::flashtest::make_model(fw::flashtest::noise(12'000, 13), 0x00090000, kOldEpoch));
  return object;
}
const Object& ancient_data() {
  static const Object object = fw::flashtest::make_object(wire::flash::ObjectClass::data, 0b1000000,
                                                          fw::flashtest::noise(8000, 15), 0x00090000, kOldEpoch);
  return object;
}
const Object& new_app() {
  static const Object object =
      with_contract(fw::flashtest::make_app(fw::flashtest::noise(14'500, 2), 0x01010000, kNewEpoch));
  return object;
}
const Object& old_model() {
  static const Object object =
      with_contract(fw::flashtest::make_model(fw::flashtest::noise(10'000, 3), 0x01000000, kOldEpoch));
  return object;
}
// Two of its three chunks are those of the old one.
const Object& new_model() {
  static const Object object = [] {
    auto bytes = fw::flashtest::noise(10'000, 3);
    for (std::size_t i = 4096; i < 4400; ++i) bytes[i] ^= 0x55U;
    return with_contract(fw::flashtest::make_model(std::move(bytes), 0x01010000, kNewEpoch));
  }();
  return object;
}
const Object& data_object() {
  static const Object object = fw::flashtest::make_object(wire::flash::ObjectClass::data, 0b1000000,
                                                          fw::flashtest::noise(7000, 5), 0x01000000, kNewEpoch);
  return object;
}
const Signer& second_signer() {
  static const Signer signer = Signer::from("the second key of a rotation");
  return signer;
}
const Object& key_set() {
  static const Object object = [] {
    const std::array keys{fw::flashtest::key_of(Signer::development()), fw::flashtest::key_of(second_signer())};
    return fw::flashtest::make_key_set(7, keys);
  }();
  return object;
}

// ---- what holds at all times ----

std::string say(const char* what, std::uint64_t value) { return std::string(what) + " " + std::to_string(value); }

/// The slot holds exactly one of the two.
bool one_of(const Board& board, std::uint8_t slot, const Object& a, const Object& b) {
  return board.holds(slot, a) || board.holds(slot, b);
}

std::string floors(Board& board, std::uint8_t lane, std::size_t floor, const Object& newer) {
  const BootRecord& record = board.record();
  const std::uint32_t value = record.floors.at(floor);
  if (value != kOldEpoch && value != kNewEpoch) return say("the floor is", value);
  const std::uint8_t active = record.lanes.at(lane).active;
  if (value == kNewEpoch && (active == kNoSlot || !board.holds(active, newer))) {
    return "the floor was raised although the new object is not the active one";
  }
  return {};
}

std::string common(Board& board) {
  if (!board.bench().flash.violations.empty()) return "flash rule: " + board.bench().flash.violations.front();
  return {};
}

std::string app_runs(Board& board) {
  const std::uint8_t slot = board.running();
  if (slot != kAppA && slot != kAppB) return "the bootloader found no application";
  if (!one_of(board, slot, old_app(), new_app())) return say("neither old nor new application in slot", slot);
  if (board.holds(slot, old_app()) && board.record().floors.at(0) > kOldEpoch) return "runs below the floor";
  std::string wrong = floors(board, kApp, 0, new_app());
  return wrong.empty() ? common(board) : wrong;
}

/// The application of the board is not touched by what is under way.
std::string old_app_runs(Board& board) {
  if (board.running() != kAppA || !board.holds(kAppA, old_app()))
    return say("the application was lost; runs", board.running());
  return common(board);
}

std::string model_is_whole(Board& board) {
  const wire::flash::Lane& lane = board.record().lanes.at(kModel);
  if (lane.active == kNoSlot || !one_of(board, lane.active, old_model(), new_model())) {
    return say("the active model is neither the old nor the new one, slot", lane.active);
  }
  if (lane.trial != kNoSlot && !board.holds(lane.trial, new_model())) return "the model on trial is not the new one";
  std::string wrong = floors(board, kModel, 1, new_model());
  return wrong.empty() ? old_app_runs(board) : wrong;
}

// ---- preparations ----

void require(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "powercut: cannot prepare a board: %s\n", what);
  std::abort();
}

void with_app(Board& board) {
  board.bench().load(kAppA, old_app());
  board.bench().load(kAppB, ancient_app());
  board.boot();
  require(board.running() == kAppA, "the factory's application does not start");
  require(board.select(kAppA, true) == Status::ok, "select");
  board.boot();
  require(board.record().lanes.at(kApp).active == kAppA && board.record().floors.at(0) == kOldEpoch, "no record");
}

void with_model(Board& board) {
  with_app(board);
  require(board.install(old_model(), kModelA) == Status::ok, "install of the model");
  require(board.select(kModelA, true) == Status::ok, "select of the model");
  require(board.install(ancient_model(), kModelB) == Status::ok, "install of an older model");
}

/// Fills the log until so many records are left in its sector; both sectors are full of records by then.
template <std::size_t kLeft>
void with_full_log(Board& board) {
  with_model(board);
  const auto used = [&board] { return board.record().sequence; };
  std::array<char, wire::flash::kTagBytes> tag{"bench 3"};
  constexpr std::size_t kPerSector = 4096 / wire::flash::kBootRecordBytes;
  require(fw::flashtest::run(*board.engine(), board.engine()->set_tag(tag)).status == Status::ok, "tag");
  // Records that change nothing.
  while (used() < 2 * kPerSector || used() % kPerSector != (kPerSector - kLeft) % kPerSector) {
    require(board.engine()->log().append(board.record()), "a record to fill the log");
  }
}

template <std::size_t kLeft>
void with_trial_and_full_log(Board& board) {
  with_full_log<kLeft>(board);
  require(board.install(new_app(), kAppB) == Status::ok, "install");
  require(board.select(kAppB, false) == Status::ok, "select");
}

// ---- jobs ----

Status update_app(Board& board) {
  for (int resets = 0; resets < 8; ++resets) {
    if (!board.powered()) return Status::internal;
    const wire::flash::Lane lane = board.record().lanes.at(kApp);
    if (lane.active == kAppB && lane.trial == kNoSlot) return Status::ok;
    if (lane.trial == kAppB) {
      if (board.running() == kAppB) {
        const Status status = board.confirm(kApp);
        if (status != Status::ok) return status;
        continue;
      }
    } else {
      Status status = board.install(new_app(), kAppB);
      if (status != Status::ok) return status;
      status = board.select(kAppB, false);
      if (status != Status::ok) return status;
    }
    board.boot();
  }
  return Status::internal;
}

std::string new_app_confirmed(Board& board) {
  if (board.running() != kAppB || !board.holds(kAppB, new_app())) return "the new application does not run";
  if (board.record().floors.at(0) != kNewEpoch) return "the floor was not raised";
  if (!board.holds(kAppA, old_app())) return "the old application was damaged";
  return {};
}

/// From a board without any application, in the bootloader.
Status install_first(Board& board) {
  for (int resets = 0; resets < 4; ++resets) {
    if (!board.powered()) return Status::internal;
    if (board.running() == kAppA && board.record().lanes.at(kApp).active == kAppA) return Status::ok;
    Status status = board.install(new_app(), kAppA);
    if (status != Status::ok) return status;
    status = board.select(kAppA, true);
    if (status != Status::ok) return status;
    board.boot();
  }
  return Status::internal;
}

std::string blank_or_new(Board& board) {
  if (board.running() != kNoSlot && !board.holds(board.running(), new_app()))
    return "something half-written was started";
  return common(board);
}

std::string first_app_runs(Board& board) {
  return board.running() == kAppA && board.holds(kAppA, new_app()) ? std::string() : "the application does not run";
}

template <bool kCopies>
Status update_model(Board& board) {
  const wire::flash::Lane lane = board.record().lanes.at(kModel);
  if (lane.active == kModelB && lane.trial == kNoSlot) return Status::ok;
  Status status = Status::ok;
  if (lane.trial != kModelB) {
    status = board.install(new_model(), kModelB, kCopies ? kModelA : kNoSlot);
    if (status == Status::ok) status = board.select(kModelB, false);
  }
  return status == Status::ok ? board.confirm(kModel) : status;
}

std::string new_model_confirmed(Board& board) {
  if (board.record().lanes.at(kModel).active != kModelB || !board.holds(kModelB, new_model()))
    return "the new model is not active";
  if (board.record().floors.at(1) != kNewEpoch) return "the floor of models was not raised";
  return {};
}

std::string only_one_chunk_sent(Board& board) {
  if (board.chunks_sent() > 1) return say("chunks that the board had were sent:", board.chunks_sent());
  return new_model_confirmed(board);
}

/// Starts of an application that never confirms.
Status exhaust_attempts(Board& board) {
  for (int starts = 0; starts < 12; ++starts) {
    if (!board.powered()) return Status::internal;
    if (board.record().lanes.at(kApp).trial == kNoSlot) return Status::ok;
    board.boot();
  }
  return Status::internal;
}

std::string old_app_is_back(Board& board) {
  if (board.running() != kAppA || board.record().lanes.at(kApp).active != kAppA) return "the board did not go back";
  if (board.record().floors.at(0) != kOldEpoch) return "a trial raised the floor";
  return {};
}

Status revert_trial(Board& board) {
  if (board.record().lanes.at(kApp).trial != kNoSlot) {
    const Status status = board.revert(kApp);
    if (status != Status::ok) return status;
  }
  board.boot();
  return board.powered() ? Status::ok : Status::internal;
}

void with_confirmed_update(Board& board) {
  // Both of one epoch: going back is allowed.
  board.bench().load(kAppA, old_app());
  board.boot();
  require(board.select(kAppA, true) == Status::ok, "select");
  static const Object same_epoch = fw::flashtest::make_app(fw::flashtest::noise(14'500, 2), 0x01010000, kOldEpoch);
  require(board.install(same_epoch, kAppB) == Status::ok && board.select(kAppB, false) == Status::ok, "install");
  board.boot();
  require(board.running() == kAppB && board.confirm(kApp) == Status::ok, "confirm");
}

Status revert_confirmed(Board& board) {
  if (board.record().lanes.at(kApp).active != kAppA) {
    const Status status = board.revert(kApp);
    if (status != Status::ok) return status;
  }
  board.boot();
  return board.powered() ? Status::ok : Status::internal;
}

Status rotate_keys(Board& board) {
  if (board.engine()->keys().version() == key_set().manifest.keyset_version) return Status::ok;
  const auto payload = std::as_bytes(std::span(key_set().payload));
  return fw::flashtest::run(*board.engine(), board.engine()->set_keys(key_set().manifest_bytes(), payload)).status;
}

std::string keys_old_or_new(Board& board) {
  const fw::update::KeyRing& keys = board.engine()->keys();
  if (keys.lost()) return "the key set is lost";
  if (keys.version() != 0 && keys.version() != key_set().manifest.keyset_version)
    return say("key set version", keys.version());
  Status why = Status::ok;
  if (keys.usable(Signer::development().id(), wire::flash::ObjectClass::app, why) == nullptr)
    return "the first key is gone";
  return old_app_runs(board);
}

std::string both_keys(Board& board) {
  Status why = Status::ok;
  return board.engine()->keys().usable(second_signer().id(), wire::flash::ObjectClass::app, why) != nullptr
             ? std::string()
             : "the new key is not in force";
}

void with_data(Board& board) {
  with_app(board);
  require(board.install(ancient_data(), kData) == Status::ok, "install of older data");
}

wire::flash::SlotInfo look_at_data(Board& board) {
  wire::flash::SlotInfo info;
  const auto progress = board.engine()->verify(kData, info);
  static_cast<void>(fw::flashtest::run(*board.engine(), progress));
  return info;
}

Status install_data(Board& board) {
  const wire::flash::SlotInfo info = look_at_data(board);
  if (info.state == wire::flash::SlotInfo::State::complete && info.version == data_object().manifest.version) {
    return Status::ok;
  }
  return board.powered() ? board.install(data_object(), kData) : Status::internal;
}

std::string data_whole_or_not_there(Board& board) {
  if (look_at_data(board).state == wire::flash::SlotInfo::State::complete &&
      !one_of(board, kData, ancient_data(), data_object())) {
    return "half-written data count as complete";
  }
  return old_app_runs(board);
}

std::string data_complete(Board& board) {
  const wire::flash::SlotInfo info = look_at_data(board);
  const bool right = info.state == wire::flash::SlotInfo::State::complete && board.holds(kData, data_object());
  return right ? std::string() : "the data are not complete";
}

Status give_tag(Board& board) {
  std::array<char, wire::flash::kTagBytes> tag{"bench 4"};
  return fw::flashtest::run(*board.engine(), board.engine()->set_tag(tag)).status;
}

std::string tag_old_or_new(Board& board) {
  const std::string_view tag = board.engine()->log().tag().data();
  if (tag != "bench 3" && tag != "bench 4") return "the tag is '" + std::string(tag) + "'";
  return model_is_whole(board);
}

std::string tag_kept(Board& board) {
  const std::string_view tag = board.engine()->log().tag().data();
  if (tag != "bench 3") return "the tag was lost: '" + std::string(tag) + "'";
  return app_runs(board);
}

std::string new_tag(Board& board) {
  return std::string_view(board.engine()->log().tag().data()) == "bench 4" ? std::string() : "the tag was not set";
}

Status erase_old_bank(Board& board) {
  return fw::flashtest::run(*board.engine(), board.engine()->erase(kModelB)).status;
}

void with_two_models(Board& board) {
  with_model(board);
  require(board.install(new_model(), kModelB) == Status::ok, "second model");
}

std::string nothing(Board& /*board*/) { return {}; }
void blank(Board& board) { board.boot(); }

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"first install, in recovery", blank, install_first, blank_or_new, first_app_runs},
      {"application A to B", with_app, update_app, app_runs, new_app_confirmed},
      {"application A to B, log wraps at SELECT", with_full_log<0>, update_app, tag_kept, new_app_confirmed},
      {"application A to B, log wraps at CONFIRM", with_full_log<1>, update_app, tag_kept, new_app_confirmed},
      {"trial that never confirms", with_trial_and_full_log<2>, exhaust_attempts, app_runs, old_app_is_back},
      {"trial that never confirms, log wraps", with_trial_and_full_log<1>, exhaust_attempts, app_runs, old_app_is_back},
      {"revert of a trial", with_trial_and_full_log<1>, revert_trial, app_runs, old_app_is_back},
      {"revert of what was confirmed", with_confirmed_update, revert_confirmed, app_runs, old_app_is_back},
      {"model, in the background", with_model, update_model<false>, model_is_whole, new_model_confirmed},
      {"model, difference", with_model, update_model<true>, model_is_whole, only_one_chunk_sent},
      {"model, log wraps", with_full_log<1>, update_model<false>, model_is_whole, new_model_confirmed},
      {"erase of the spare bank", with_two_models, erase_old_bank, model_is_whole, nothing},
      {"key rotation", with_app, rotate_keys, keys_old_or_new, both_keys},
      {"data", with_data, install_data, data_whole_or_not_there, data_complete},
      {"fleet tag, log wraps", with_full_log<0>, give_tag, tag_old_or_new, new_tag},
  };
  return all;
}

}  // namespace tml::powercut
