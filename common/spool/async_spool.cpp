// SPDX-License-Identifier: Apache-2.0
#include "common/spool/async_spool.hpp"

namespace tml::spool {

namespace asio = boost::asio;

Result<std::unique_ptr<AsyncSpool>> AsyncSpool::open(SpoolOptions options, Clock& clock, Random& random) {
  std::filesystem::path folder = options.folder;
  auto spool = Spool::open(std::move(options), clock, random);
  if (!spool) return pass(spool.error());
  return std::unique_ptr<AsyncSpool>(new AsyncSpool(std::move(*spool), std::move(folder)));
}

AsyncSpool::AsyncSpool(std::unique_ptr<Spool> spool, std::filesystem::path folder)
    : folder_(std::move(folder)), spool_(std::move(spool)) {}

AsyncSpool::~AsyncSpool() { worker_.join(); }

asio::awaitable<Result<PutResult>> AsyncSpool::put(NewEntry entry) {
  auto work = [entry = std::move(entry)](Spool& spool) mutable { return spool.put(std::move(entry)); };
  co_return co_await run(std::move(work));
}

asio::awaitable<Result<PutResult>> AsyncSpool::put_capture(std::string board, std::string board_file, NewEntry entry,
                                                           std::int64_t intent_id) {
  auto work = [board = std::move(board), board_file = std::move(board_file), entry = std::move(entry), intent_id](
                  Spool& spool) mutable { return spool.put_capture(board, board_file, std::move(entry), intent_id); };
  co_return co_await run(std::move(work));
}

asio::awaitable<Result<std::vector<BoardFile>>> AsyncSpool::board_file_pending(std::string board) {
  auto work = [board = std::move(board)](Spool& spool) { return spool.board_file_pending(board); };
  co_return co_await run(std::move(work));
}

asio::awaitable<Result<void>> AsyncSpool::board_file_done(std::string board, std::string board_file) {
  auto work = [board = std::move(board), board_file = std::move(board_file)](Spool& spool) {
    return spool.board_file_done(board, board_file);
  };
  co_return co_await run(std::move(work));
}

asio::awaitable<Result<std::int64_t>> AsyncSpool::intent_put(Intent intent) {
  auto work = [intent = std::move(intent)](Spool& spool) { return spool.intent_put(intent); };
  co_return co_await run(std::move(work));
}

asio::awaitable<Result<std::optional<Intent>>> AsyncSpool::intent_for_file(std::string board, std::string board_file) {
  auto work = [board = std::move(board), board_file = std::move(board_file)](Spool& spool) {
    return spool.intent_for_file(board, board_file);
  };
  co_return co_await run(std::move(work));
}

asio::awaitable<Result<void>> AsyncSpool::intent_done(std::int64_t id) {
  auto work = [id](Spool& spool) { return spool.intent_done(id); };
  co_return co_await run(std::move(work));
}

asio::awaitable<Result<Totals>> AsyncSpool::totals() {
  auto work = [](Spool& spool) { return spool.totals(); };
  co_return co_await run(std::move(work));
}

}  // namespace tml::spool
