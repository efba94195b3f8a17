// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The way of a Response from whichever thread made it back to the session that waits for it. Internal to common/httpd.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "common/httpd/session_detail.hpp"

namespace tml::httpd::detail {

/// Where an answer waits for the session that asked for it. All but the ticket's flag belongs to the loop thread.
struct Slot {
  std::optional<Response> response;
  asio::steady_timer* wake = nullptr;
};

class Ticket final : public Responder::Impl {
 public:
  Ticket(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<Slot> slot)
      : mailbox_(std::move(mailbox)), slot_(std::move(slot)) {}
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() override { send(Response::text(500, "internal error: the request was dropped\n")); }

  void send(Response response) override {
    if (sent_.exchange(true)) return;
    mailbox_->post([slot = slot_, response = std::move(response)]() mutable {
      slot->response = std::move(response);
      if (slot->wake != nullptr) slot->wake->cancel();
    });
  }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<Slot> slot_;
  std::atomic<bool> sent_{false};
};

}  // namespace tml::httpd::detail
