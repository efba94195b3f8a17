// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The steps of a rollout on boards with the flash link: UpdateJob that stops at the trial, self-test, confirm, revert.
// Ports that a running daemon serves are borrowed from it: from update() until the board is confirmed, reverted or has
// failed; inspect() gives back at once.
//
// One executor. Everything in LinkUpdaterParts outlives it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/base/random.hpp"
#include "common/flashlink/board_updater.hpp"
#include "common/flashlink/connection.hpp"
#include "common/flashlink/daemon_client.hpp"
#include "common/flashlink/self_test.hpp"
#include "common/flashlink/update_job.hpp"

namespace tml::flashlink {

struct LinkUpdaterParts {
  boost::asio::any_io_executor executor;
  std::span<const SignedObject> objects;  ///< Of one class: applications, or models.
  JobOptions job;                         ///< confirm, activate and permanent are set here as a rollout needs them.
  const SelfTest* test = nullptr;
  const PayloadCache* cache = nullptr;
  Random& random;
  DaemonClient* daemon = nullptr;
  std::map<std::string, std::string> daemon_ports;  ///< Port to the name that the daemon has for it.
  std::string owner = "tml-flash rollout";
};

class LinkUpdater final : public BoardUpdater {
 public:
  explicit LinkUpdater(LinkUpdaterParts parts);
  ~LinkUpdater() override;

  [[nodiscard]] Awaitable<Result<InspectedBoard>> inspect(std::string port) override;
  [[nodiscard]] Awaitable<Result<void>> update(std::string port, std::string id, BoardProgressFn progress) override;
  [[nodiscard]] Awaitable<Result<std::string>> self_test(std::string port, std::string id,
                                                         BoardProgressFn progress) override;
  [[nodiscard]] Awaitable<Result<void>> confirm(std::string port, std::string id) override;
  [[nodiscard]] Awaitable<Result<void>> revert(std::string port, std::string id) override;
  void cancel(const std::string& port) override;
  /// Gives back what is still borrowed.
  [[nodiscard]] Awaitable<void> close();

 private:
  struct Talk;
  /// What a board's lane runs and has on trial.
  struct Lane {
    wire::flash::Identity board;
    wire::flash::DeviceStatus status;
    std::optional<wire::flash::SlotInfo> active;
    std::optional<wire::flash::SlotInfo> trial;
  };

  [[nodiscard]] std::uint8_t lane() const;
  [[nodiscard]] bool is_ours(const std::optional<wire::flash::SlotInfo>& slot) const;
  [[nodiscard]] Awaitable<Result<void>> take(std::string port);
  [[nodiscard]] Awaitable<void> give_back(std::string port);
  [[nodiscard]] Awaitable<Result<Lane>> look(std::shared_ptr<Talk> talk);
  /// look(), and Errc::verification when it is another board.
  [[nodiscard]] Awaitable<Result<Lane>> look_at(std::shared_ptr<Talk> talk, std::string id);
  [[nodiscard]] Awaitable<Result<bool>> has_trial(std::string port, std::string id);
  [[nodiscard]] Awaitable<Result<void>> run_job(std::string port, BoardProgressFn progress);
  [[nodiscard]] Awaitable<Result<void>> do_update(std::string port, std::string id, BoardProgressFn progress);
  [[nodiscard]] Awaitable<Result<void>> do_confirm(std::string port, std::string id);
  [[nodiscard]] Awaitable<Result<void>> do_revert(std::string port, std::string id);
  [[nodiscard]] std::shared_ptr<Talk> talk_on(const std::string& port);

  /// While it lives, cancel(port) calls `stop`.
  class Cancellable {
   public:
    Cancellable(LinkUpdater& owner, std::string port, std::function<void()> stop);
    ~Cancellable();
    Cancellable(const Cancellable&) = delete;
    Cancellable& operator=(const Cancellable&) = delete;

   private:
    LinkUpdater& owner_;
    std::string port_;
  };

  LinkUpdaterParts parts_;
  std::map<std::string, Lease> leases_;
  std::map<std::string, std::function<void()>> stops_;
  std::set<std::string> cancelled_;
};

}  // namespace tml::flashlink
