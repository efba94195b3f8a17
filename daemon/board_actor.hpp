// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One port of the bench and whatever board is on it: opens it when it is there, serves it while it lives, and waits for
// it when it has gone. Actors share the spool, the delivery and the identity registry, and nothing else; what befalls
// one board stays in its actor.
//
// One executor. Held by shared_ptr; destroy after stop() and after on_stopped was called.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/worker.hpp"
#include "common/remote/link.hpp"
#include "common/tool/deliveries.hpp"
#include "daemon/board.hpp"
#include "daemon/context.hpp"
#include "daemon/recover.hpp"
#include "daemon/snapshot_pump.hpp"

namespace tml::daemon {

/// What all actors share.
struct Bench {
  Context& context;
  spool::AsyncSpool& spool;
  Deliveries& deliveries;
  serial::IdentityRegistry& identities;
  Worker& images;  ///< Encodes pictures, those of all boards one after the other.
  /// The identities changed and want to be kept.
  std::function<void()> on_identities;
  /// The actor cannot go on as things are (port refused at start, key refused). The fleet decides whether that ends it.
  std::function<void(const std::string& path, const Error&)> on_hopeless;
};

/// Who has a board's port instead of this process.
struct Loan {
  std::string lease;
  std::string owner;  ///< For people: "tml-flash".
  std::int32_t pid = 0;
  std::int64_t expires_at_ms = 0;  ///< Unix time.
};

/// A board for people and other tools. Texts are empty where it is not known.
struct BoardFacts {
  std::string id;  ///< Board::device_id() of the last connection, else the port.
  std::string key;
  std::string name;
  std::string port;
  std::string state;  ///< "serving", "sampling", "connecting", "waiting", "lent"
  std::string type;
  std::string version;
  std::optional<Loan> loan;
};

class BoardActor : public std::enable_shared_from_this<BoardActor> {
 public:
  /// `selector`: only a board that matches is served; others are left alone until they are plugged in anew.
  BoardActor(Bench& bench, std::string path, serial::PortSelector selector);

  /// Runs until stop(); returns when everything is tidy.
  [[nodiscard]] Awaitable<void> run();
  /// The board under sampling gets `b`; what is being committed is committed.
  void stop();

  /// The port came back, changed its rights, or was replaced by another.
  void port_arrived(bool replaced);
  void port_left();
  /// Descriptor of the open port, or -1; for the fleet's watchdog.
  [[nodiscard]] int port_fd() const;

  /// Closes the port for somebody else, after what is under way was ended in order: a stream of pictures and a file
  /// being read at once, a sampling only with `force` (the server is told). Returns when the port is closed.
  /// Errc::busy: lent already, or sampling; Errc::interrupted: the daemon ends.
  [[nodiscard]] Awaitable<Result<void>> lend(Loan loan, bool force);
  /// The loan is over: the port is opened and the board identified anew, as soon as nobody else has it open.
  void take_back();
  /// Null when the port is not lent.
  [[nodiscard]] Loan* loan() { return loan_ ? &*loan_ : nullptr; }
  [[nodiscard]] BoardFacts facts() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool connected() const { return board_ != nullptr; }

 private:
  /// One request from acceptance to its answer; the board takes no other while one lives.
  struct SampleTurn {
    std::shared_ptr<Board> board;
    std::shared_ptr<remote::Link> link;
    std::shared_ptr<void> busy;
  };

  [[nodiscard]] Awaitable<Result<std::shared_ptr<Board>>> open();
  [[nodiscard]] Awaitable<void> serve(std::shared_ptr<Board> board);
  /// Ends what children do with a board that is to be lent, and lets the server know.
  [[nodiscard]] Awaitable<void> make_way(std::shared_ptr<Board> board);
  void remember(const Board& board);
  [[nodiscard]] Awaitable<Result<void>> write_settings(Board& board);
  [[nodiscard]] Awaitable<void> recover(std::shared_ptr<Board> board);
  [[nodiscard]] Awaitable<void> announce(std::shared_ptr<Board> board);
  [[nodiscard]] Awaitable<void> serve_sample(SampleTurn turn, remote::SampleCommand command);
  [[nodiscard]] Awaitable<Result<Captured>> take_requested_picture(SampleTurn turn, remote::SampleCommand command,
                                                                   serial::SnapshotSize size);
  void start_snapshots(const std::shared_ptr<Board>& board, const remote::StartSnapshot& request);
  void stop_snapshots(const std::shared_ptr<Board>& board);
  /// Streams for as long as snapshots_ is set, and pauses for samples.
  [[nodiscard]] Awaitable<void> stream_snapshots(std::shared_ptr<Board> board, std::shared_ptr<remote::Link> link);
  [[nodiscard]] std::shared_ptr<SnapshotPump> make_pump(const std::shared_ptr<remote::Link>& link);
  [[nodiscard]] Awaitable<void> tell_outcome(SampleTurn turn, Captured captured);
  [[nodiscard]] Result<CaptureRequest> request_for(const Board& board, const remote::SampleCommand& command) const;
  [[nodiscard]] CaptureObserver observer(const std::shared_ptr<remote::Link>& link);
  void open_failed(const Error& error);
  void make_link(const std::shared_ptr<Board>& board);
  void on_message(const std::shared_ptr<Board>& board, remote::ServerMessage message);
  void fail_sample(const Board& board, remote::Link& link, const Error& error);
  void spawn_child(Awaitable<void> task, const char* name);
  [[nodiscard]] std::string api_key(const Board& board) const;
  [[nodiscard]] std::vector<std::string> verify_keys(const Board& board, const std::string& first) const;

  Bench& bench_;
  Context& context_;
  const std::string path_;
  const serial::PortSelector selector_;
  std::shared_ptr<Board> board_;
  std::shared_ptr<remote::Link> link_;
  Mutex board_lock_;
  Pause retry_;
  Event lost_;
  Event childless_;
  unsigned children_ = 0;
  bool stopping_ = false;
  std::optional<serial::SnapshotSize> snapshots_;  ///< What the server wants streamed.
  bool streaming_ = false;                         ///< stream_snapshots() runs.
  bool stream_has_line_ = false;
  bool sampling_ = false;
  Event sampling_over_;
  std::weak_ptr<void> busy_;  ///< Alive while a request is under way on this connection.
  bool opened_before_ = false;
  bool announced_ = false;
  std::string last_open_error_;
  std::optional<Loan> loan_;
  std::weak_ptr<Board> opening_;
  Event vacant_;  ///< The port is not open, and will not be opened before the next turn of the loop.
  BoardFacts known_;
};

}  // namespace tml::daemon
