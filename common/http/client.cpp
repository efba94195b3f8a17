// SPDX-License-Identifier: Apache-2.0
#include "common/http/client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "common/http/trust.hpp"
#include "common/http/websocket.hpp"

namespace tml::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxResponseHeaders = 200;
constexpr auto kProgressEvery = std::chrono::milliseconds(100);

/// Holds the awaiting coroutine, whatever its handler's type, and keeps its executor alive meanwhile.
class Waiter {
 public:
  virtual ~Waiter() = default;
  virtual void finish(Result<Response> result) = 0;
  virtual void post(std::function<void()> call) = 0;
};

template <class Handler>
class WaiterOf final : public Waiter {
 public:
  explicit WaiterOf(Handler handler)
      : executor_(asio::get_associated_executor(handler)),
        guard_(asio::make_work_guard(executor_)),
        handler_(std::move(handler)) {}
  void finish(Result<Response> result) override {
    asio::post(executor_, [handler = std::move(handler_), result = std::move(result)]() mutable {
      std::move(handler)(std::move(result));
    });
    guard_.reset();
  }
  void post(std::function<void()> call) override { asio::post(executor_, std::move(call)); }

 private:
  using Executor = asio::associated_executor_t<Handler>;
  Executor executor_;
  asio::executor_work_guard<Executor> guard_;
  Handler handler_;
};

struct Transfer {
  Request request;
  std::unique_ptr<Waiter> waiter;
  std::atomic<bool> cancelled{false};
  // Below: the worker's thread only.
  Response response;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  char message[CURL_ERROR_SIZE] = {};
  bool too_large = false;
  bool source_failed = false;
  std::chrono::steady_clock::time_point started;
  std::chrono::steady_clock::time_point progressed;

  ~Transfer() {
    curl_slist_free_all(headers);
    if (easy != nullptr) curl_easy_cleanup(easy);
  }
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = size * count;
  if (transfer.response.body.size() + bytes > transfer.request.max_response_bytes) {
    transfer.too_large = true;
    return 0;
  }
  transfer.response.body.append(data, bytes);
  return bytes;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& response = static_cast<Transfer*>(user)->response;
  std::string_view line(data, size * count);
  // A status line starts a new head: what came before was an interim answer (100 Continue).
  if (line.starts_with("HTTP/")) response.headers.clear();
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos && response.headers.size() < kMaxResponseHeaders) {
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == '\r' || value.back() == '\n' || value.back() == ' '))
      value.remove_suffix(1);
    response.headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
  }
  return size * count;
}

std::size_t on_read(char* out, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t got = transfer.request.source->read(out, size * count);
  if (got <= size * count) return got;
  transfer.source_failed = true;
  return CURL_READFUNC_ABORT;
}

int on_seek(void* user, curl_off_t offset, int origin) {
  auto& source = *static_cast<Transfer*>(user)->request.source;
  return offset == 0 && origin == SEEK_SET && source.rewind && source.rewind() ? CURL_SEEKFUNC_OK
                                                                               : CURL_SEEKFUNC_CANTSEEK;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t total, curl_off_t sent) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.cancelled.load()) return 1;
  const auto now = std::chrono::steady_clock::now();
  if (!transfer.request.on_progress || total <= 0 || now - transfer.progressed < kProgressEvery) return 0;
  transfer.progressed = now;
  const Progress progress{static_cast<std::uint64_t>(sent), static_cast<std::uint64_t>(total)};
  transfer.waiter->post([call = transfer.request.on_progress, progress] { call(progress); });
  return 0;
}

bool is_clean(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

Error error_of(CURLcode code, const Transfer& transfer) {
  std::string what = transfer.message[0] != '\0' ? transfer.message : curl_easy_strerror(code);
  Error error{Errc::network, "request failed: " + what + ":", printable_url(transfer.request.url), {}, {}};
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      error.code = Errc::timeout;
      break;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      error.code = Errc::usage;
      break;
    case CURLE_SSL_CACERT_BADFILE:
      error.code = Errc::usage;
      error.hint = "The CA file cannot be read";
      break;
    case CURLE_PEER_FAILED_VERIFICATION: {
      // The chain's verdict. libcurl compares the names by itself, and then leaves what it began with: 1 or 0,
      // depending on its version; 1 (unspecified) is no verdict on a chain.
      long verdict = 0;
      curl_easy_getinfo(transfer.easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
      error.hint = certificate_hint(verdict <= 1);
      break;
    }
    case CURLE_WRITE_ERROR:
      if (transfer.too_large) {
        error.code = Errc::limit;
        error.what = "the answer is larger than " + std::to_string(transfer.request.max_response_bytes) + " bytes:";
      }
      break;
    case CURLE_ABORTED_BY_CALLBACK:
      if (transfer.source_failed) {
        error.code = Errc::io;
        error.what = "the body could not be read while it was sent to";
      } else if (transfer.cancelled.load()) {
        error.code = Errc::interrupted;
        error.what = "request cancelled:";
      }
      break;
    case CURLE_OUT_OF_MEMORY:
      error.code = Errc::failed;
      break;
    default:
      break;
  }
  return error;
}

}  // namespace

struct Client::Impl {
  explicit Impl(ClientOptions given) : options(std::move(given)) {
    static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (ready) multi = curl_multi_init();
    if (multi == nullptr) return;
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, options.max_connections_per_host);
    thread = std::thread([this] { work(); });
  }

  ~Impl() {
    if (multi == nullptr) return;
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    curl_multi_wakeup(multi);
    thread.join();
    curl_multi_cleanup(multi);
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void submit(std::shared_ptr<Transfer> transfer) {
    if (multi == nullptr) {
      transfer->waiter->finish(fail(Errc::failed, "libcurl could not be initialised"));
      return;
    }
    {
      const std::lock_guard lock(mutex);
      incoming.push_back(std::move(transfer));
    }
    curl_multi_wakeup(multi);
  }

  void work();
  void start(const std::shared_ptr<Transfer>& transfer);
  [[nodiscard]] Result<void> prepare(Transfer& transfer) const;
  void complete(CURL* easy, CURLcode code);
  void drop_cancelled();

  ClientOptions options;
  CURLM* multi = nullptr;
  std::mutex mutex;
  std::deque<std::shared_ptr<Transfer>> incoming;  // Guarded by mutex.
  bool stopping = false;                           // Guarded by mutex.
  std::unordered_map<CURL*, std::shared_ptr<Transfer>> running;
  std::thread thread;
};

Result<void> Client::Impl::prepare(Transfer& transfer) const {
  const Request& request = transfer.request;
  const auto refuse = [&request](std::string what) {
    return fail(Errc::usage, std::move(what), printable_url(request.url));
  };
  if (!is_clean(request.url) || !is_clean(request.method))
    return refuse("control characters in the address of a request:");
  CURL* easy = curl_easy_init();
  if (easy == nullptr) return fail(Errc::failed, "libcurl is out of memory");
  transfer.easy = easy;

  const auto add = [&transfer](const std::string& line) {
    curl_slist* longer = curl_slist_append(transfer.headers, line.c_str());
    if (longer != nullptr) transfer.headers = longer;
    return longer != nullptr;
  };
  for (const Header& header : request.headers) {
    if (!is_clean(header.name) || !is_clean(header.value) || header.name.empty())
      return refuse("control characters in header " + header.name + ":");
    // curl's way to send a header without a value.
    if (!add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value))
      return fail(Errc::failed, "libcurl is out of memory");
  }
  // Without these curl waits up to a second for "100 Continue", and names bodies as HTML forms.
  if (!add("Expect:")) return fail(Errc::failed, "libcurl is out of memory");
  const bool typed = std::any_of(request.headers.begin(), request.headers.end(),
                                 [](const Header& h) { return strcasecmp(h.name.c_str(), "content-type") == 0; });
  if (!typed && !add("Content-Type:")) return fail(Errc::failed, "libcurl is out of memory");

  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.message);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (const std::string ca_file = ca_file_or_default(options.ca_file); !ca_file.empty())
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file.c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(request.idle_timeout.count() / 1000)));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);

  // One rule for the proxy here and in the WebSocket client, instead of curl's own reading of the environment.
  const std::string_view url = request.url;
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return refuse("not an http:// or https:// address:");
  std::string_view host = url.substr(scheme_end + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  if (const std::size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  host = host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
  auto proxy = proxy_for(url.substr(0, scheme_end), host);
  if (!request.unix_socket.empty()) {
    proxy.reset();
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_PROXY, proxy ? proxy->c_str() : "");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");

  const bool has_body =
      request.source.has_value() || !request.body.empty() || request.method == "POST" || request.method == "PUT";
  if (has_body) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (request.source) {
      curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
      curl_easy_setopt(easy, CURLOPT_READDATA, &transfer);
      curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
      curl_easy_setopt(easy, CURLOPT_SEEKDATA, &transfer);
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.source->size_bytes));
    } else {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    }
    if (request.method != "POST") curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  return {};
}

void Client::Impl::start(const std::shared_ptr<Transfer>& transfer) {
  if (transfer->cancelled.load()) {
    transfer->waiter->finish(fail(Errc::interrupted, "request cancelled:", printable_url(transfer->request.url)));
    return;
  }
  if (auto prepared = prepare(*transfer); !prepared) {
    transfer->waiter->finish(pass(prepared.error()));
    return;
  }
  transfer->started = std::chrono::steady_clock::now();
  if (curl_multi_add_handle(multi, transfer->easy) != CURLM_OK) {
    transfer->waiter->finish(fail(Errc::failed, "libcurl refused a request:", printable_url(transfer->request.url)));
    return;
  }
  running.emplace(transfer->easy, transfer);
}

void Client::Impl::complete(CURL* easy, CURLcode code) {
  const auto found = running.find(easy);
  if (found == running.end()) return;
  const std::shared_ptr<Transfer> transfer = std::move(found->second);
  running.erase(found);
  curl_multi_remove_handle(multi, easy);
  if (code != CURLE_OK) {
    transfer->waiter->finish(pass(error_of(code, *transfer)));
    return;
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  transfer->response.status = static_cast<int>(status);
  transfer->response.elapsed =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - transfer->started);
  transfer->waiter->finish(std::move(transfer->response));
}

void Client::Impl::drop_cancelled() {
  std::vector<CURL*> gone;
  for (const auto& [easy, transfer] : running) {
    if (transfer->cancelled.load()) gone.push_back(easy);
  }
  for (CURL* easy : gone) complete(easy, CURLE_ABORTED_BY_CALLBACK);
}

void Client::Impl::work() {
  while (true) {
    std::deque<std::shared_ptr<Transfer>> fresh;
    bool stop = false;
    {
      const std::lock_guard lock(mutex);
      fresh.swap(incoming);
      stop = stopping;
    }
    for (const auto& transfer : fresh) {
      if (stop) transfer->cancelled = true;
      start(transfer);
    }
    if (stop) {
      for (const auto& [easy, transfer] : running) transfer->cancelled = true;
      drop_cancelled();
      return;
    }
    drop_cancelled();
    int active = 0;
    curl_multi_perform(multi, &active);
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) complete(message->easy_handle, message->data.result);
    }
    constexpr int kPollMs = 1000;  // A bound only: new requests and cancellations wake the poll up.
    curl_multi_poll(multi, nullptr, 0, kPollMs, nullptr);
  }
}

Client::Client(ClientOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}
Client::~Client() = default;

asio::awaitable<Result<Response>> Client::send(Request request) {
  auto transfer = std::make_shared<Transfer>();
  transfer->request = std::move(request);
  // Weak, because the client may be gone when a late cancellation arrives.
  const std::weak_ptr<Impl> owner = impl_;
  auto initiate = [owner, transfer](auto handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    transfer->waiter = std::make_unique<WaiterOf<decltype(handler)>>(std::move(handler));
    if (slot.is_connected()) {
      slot.assign([weak = std::weak_ptr<Transfer>(transfer), owner](asio::cancellation_type) {
        const auto cancelled = weak.lock();
        const auto client = owner.lock();
        if (!cancelled || !client) return;
        cancelled->cancelled = true;
        curl_multi_wakeup(client->multi);
      });
    }
    if (const auto client = owner.lock()) client->submit(transfer);
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result<Response>)>(initiate,
                                                                                                 asio::use_awaitable);
}

}  // namespace tml::http
