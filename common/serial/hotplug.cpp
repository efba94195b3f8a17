// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/hotplug.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <libudev.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

#include "common/base/file.hpp"

namespace tml::serial {
namespace asio = boost::asio;
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t kMask =
    IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

template <auto kRelease>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    kRelease(object);
  }
};

bool is_port_name(std::string_view name) { return name.starts_with("ttyUSB") || name.starts_with("ttyACM"); }

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// What a path leads to. Two looks that differ in `thing` saw different devices, even under one name and number: a node
/// or link that was made anew has another inode or change time.
struct Look {
  using Thing = std::tuple<dev_t, ino_t, dev_t, ino_t, std::int64_t, std::int64_t>;
  Thing thing{};
  std::tuple<mode_t, uid_t, gid_t> access{};
};

std::optional<Look> look_at(const std::string& path) {
  struct stat node {};
  struct stat link {};
  if (stat(path.c_str(), &node) != 0 || !S_ISCHR(node.st_mode) || lstat(path.c_str(), &link) != 0) return std::nullopt;
  Look look;
  const bool is_link = S_ISLNK(link.st_mode);
  look.thing = {node.st_rdev,
                node.st_ino,
                is_link ? link.st_dev : 0,
                is_link ? link.st_ino : 0,
                is_link ? link.st_ctim.tv_sec : 0,
                is_link ? link.st_ctim.tv_nsec : 0};
  look.access = {node.st_mode, node.st_uid, node.st_gid};
  return look;
}

}  // namespace

struct Hotplug::State {
  explicit State(const asio::any_io_executor& executor) : descriptor(executor) {}
  ~State() {
    if (descriptor.is_open()) descriptor.release();
  }

  struct Watched {
    std::optional<Look> reported;  ///< What the consumer was told last.
    int watch = -1;                ///< inotify watch of the folder, or of its nearest existing parent.
    bool exact = false;            ///< The watch is on the folder itself.
    bool explicit_path = false;
    bool dirty = false;
    bool fresh = false;  ///< Not looked at yet.
  };

  [[nodiscard]] Result<void> start(const HotplugOptions& options);
  void start_udev();
  [[nodiscard]] Result<void> arm(const std::string& path, Watched& watched);
  Watched& add(const std::string& path, bool explicit_path);
  void touch(const std::string& path, Watched& watched);
  void touch_all();
  void rescan_dev();
  void drain();
  void drain_udev();
  void drain_inotify();
  void on_inotify(const inotify_event& event, std::string_view name);
  std::optional<HotplugEvent> take();

  asio::posix::stream_descriptor descriptor;
  UniqueFd epoll;
  UniqueFd inotify;
  std::unique_ptr<udev, Releaser<udev_unref>> udev_context;
  std::unique_ptr<udev_monitor, Releaser<udev_monitor_unref>> monitor;
  std::string dev_folder;
  int dev_watch = -1;
  std::map<std::string, Watched> paths;
  std::deque<std::string> dirty;
  bool open = true;
};

Result<void> Hotplug::State::start(const HotplugOptions& options) {
  epoll = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return fail_errno(errno, "cannot watch for ports", "epoll");
  inotify = UniqueFd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify.valid()) {
    return fail_errno(errno, "cannot watch for ports", "inotify", "Raise fs.inotify.max_user_instances with sysctl");
  }
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, inotify.get(), &event) != 0)
    return fail_errno(errno, "cannot watch for ports", "epoll");
  if (options.watch_dev) {
    dev_folder = options.dev_folder;
    start_udev();
    dev_watch = inotify_add_watch(inotify.get(), dev_folder.c_str(), kMask);
    if (dev_watch < 0 && !monitor) {
      return fail_errno(errno, "cannot watch for ports", dev_folder, "Raise fs.inotify.max_user_watches with sysctl");
    }
    rescan_dev();
    // What is there already was not "arrived".
    for (auto& [path, watched] : paths) watched.reported = look_at(path);
  }
  for (const std::string& path : options.paths) {
    auto armed = arm(path, add(path, true));
    if (!armed) return armed;
  }
  for (auto& [path, watched] : paths) watched.dirty = false;
  dirty.clear();
  boost::system::error_code error;
  descriptor.assign(epoll.get(), error);
  if (error) return fail_errno(error.value(), "cannot watch for ports", "epoll");
  return {};
}

void Hotplug::State::start_udev() {
  udev_context.reset(udev_new());
  if (!udev_context) return;
  monitor.reset(udev_monitor_new_from_netlink(udev_context.get(), "udev"));
  if (!monitor) return;
  epoll_event event{};
  event.events = EPOLLIN;
  const bool works = udev_monitor_filter_add_match_subsystem_devtype(monitor.get(), "tty", nullptr) >= 0 &&
                     udev_monitor_enable_receiving(monitor.get()) >= 0 &&
                     epoll_ctl(epoll.get(), EPOLL_CTL_ADD, udev_monitor_get_fd(monitor.get()), &event) == 0;
  if (!works) monitor.reset();
}

Result<void> Hotplug::State::arm(const std::string& path, Watched& watched) {
  std::string folder = folder_of(path);
  const std::string wanted = folder;
  for (;;) {
    const int watch = inotify_add_watch(inotify.get(), folder.c_str(), kMask);
    if (watch >= 0) {
      watched.watch = watch;
      watched.exact = folder == wanted;
      // Looked at only now that it is watched: a change in between would be nobody's event.
      if (std::exchange(watched.fresh, false)) watched.reported = look_at(path);
      return {};
    }
    const int error_number = errno;
    const bool absent = error_number == ENOENT || error_number == ENOTDIR || error_number == EACCES;
    if (!absent || folder == "/" || folder == ".") {
      return fail_errno(error_number, "cannot watch for port", path,
                        error_number == ENOSPC ? "Raise fs.inotify.max_user_watches with sysctl" : "");
    }
    folder = folder_of(folder);
  }
}

Hotplug::State::Watched& Hotplug::State::add(const std::string& path, bool explicit_path) {
  const auto [at, added] = paths.try_emplace(path);
  at->second.fresh = at->second.fresh || added;
  at->second.explicit_path = at->second.explicit_path || explicit_path;
  return at->second;
}

void Hotplug::State::touch(const std::string& path, Watched& watched) {
  if (std::exchange(watched.dirty, true)) return;
  dirty.push_back(path);
}

void Hotplug::State::touch_all() {
  for (auto& [path, watched] : paths) {
    if (watched.explicit_path) (void)arm(path, watched);
    touch(path, watched);
  }
}

void Hotplug::State::rescan_dev() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(dev_folder.c_str()), closedir);
  if (!folder) return;
  while (const dirent* entry = readdir(folder.get())) {
    if (!is_port_name(entry->d_name)) continue;
    const std::string path = dev_folder + "/" + entry->d_name;
    touch(path, add(path, false));
  }
}

void Hotplug::State::drain() {
  if (monitor) drain_udev();
  drain_inotify();
}

void Hotplug::State::drain_udev() {
  for (;;) {
    const std::unique_ptr<udev_device, Releaser<udev_device_unref>> device(udev_monitor_receive_device(monitor.get()));
    if (!device) {
      // Too many at once: the kernel dropped some, so look at everything.
      if (errno == ENOBUFS) {
        rescan_dev();
        touch_all();
      }
      return;
    }
    const char* node = udev_device_get_devnode(device.get());
    if (node == nullptr || !is_port_name(name_of(node))) continue;
    touch(node, add(node, false));
  }
}

void Hotplug::State::drain_inotify() {
  alignas(inotify_event) std::array<char, 16 * (sizeof(inotify_event) + NAME_MAX + 1)> buffer;
  for (;;) {
    const ssize_t size = read(inotify.get(), buffer.data(), buffer.size());
    if (size <= 0) return;
    std::size_t at = 0;
    while (at + sizeof(inotify_event) <= static_cast<std::size_t>(size)) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      on_inotify(event, event.len > 0 ? std::string_view(name, strnlen(name, event.len)) : std::string_view());
      at += sizeof event + event.len;
    }
  }
}

void Hotplug::State::on_inotify(const inotify_event& event, std::string_view name) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    if (!dev_folder.empty()) rescan_dev();
    touch_all();
    return;
  }
  if (event.wd == dev_watch && is_port_name(name)) {
    const std::string path = dev_folder + "/" + std::string(name);
    touch(path, add(path, false));
  }
  const bool folder_gone = (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0;
  for (auto& [path, watched] : paths) {
    if (!watched.explicit_path || watched.watch != event.wd) continue;
    if (watched.exact && !folder_gone && name != name_of(path)) continue;
    // Between two steps down a path that is just being made, the next folder may already be there: arm() looks from the
    // bottom.
    if (!watched.exact || folder_gone) (void)arm(path, watched);
    touch(path, watched);
  }
}

std::optional<HotplugEvent> Hotplug::State::take() {
  while (!dirty.empty()) {
    const std::string path = std::move(dirty.front());
    dirty.pop_front();
    const auto found = paths.find(path);
    if (found == paths.end()) continue;
    Watched& watched = found->second;
    watched.dirty = false;
    const std::optional<Look> now = look_at(path);
    const std::optional<Look> before = std::exchange(watched.reported, now);
    if (!now) {
      // A port of /dev that has gone is forgotten: numbers grow for ever on a bench that re-plugs a lot.
      if (!watched.explicit_path) paths.erase(found);
      if (before) return HotplugEvent{HotplugEvent::Kind::left, path};
      continue;
    }
    if (!before) return HotplugEvent{HotplugEvent::Kind::arrived, path};
    if (now->thing != before->thing) return HotplugEvent{HotplugEvent::Kind::replaced, path};
    if (now->access != before->access) return HotplugEvent{HotplugEvent::Kind::changed, path};
  }
  return std::nullopt;
}

Hotplug::Hotplug(std::shared_ptr<State> state) : state_(std::move(state)) {}
Hotplug::~Hotplug() { close(); }

Result<std::unique_ptr<Hotplug>> Hotplug::create(asio::any_io_executor executor, const HotplugOptions& options) {
  auto state = std::make_shared<State>(executor);
  if (auto started = state->start(options); !started) return pass(std::move(started.error()));
  return std::unique_ptr<Hotplug>(new Hotplug(std::move(state)));
}

Awaitable<Result<HotplugEvent>> Hotplug::next() {
  const auto state = state_;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  Result<HotplugEvent> result = fail(Errc::interrupted, "no longer watching for ports", "hotplug");
  while (state->open) {
    state->drain();
    if (auto event = state->take()) {
      result = std::move(*event);
      break;
    }
    const auto [error] = co_await state->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, kTuple);
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (!state->open || error || cancellation.cancelled() != asio::cancellation_type::none) break;
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return result;
}

Result<void> Hotplug::watch(const std::string& path) {
  if (!state_->open) return fail(Errc::interrupted, "no longer watching for ports", path);
  State::Watched& watched = state_->add(path, true);
  return state_->arm(path, watched);
}

void Hotplug::unwatch(const std::string& path) {
  const auto found = state_->paths.find(path);
  if (found == state_->paths.end()) return;
  const int watch = found->second.watch;
  state_->paths.erase(found);
  const bool shared =
      watch == state_->dev_watch || std::any_of(state_->paths.begin(), state_->paths.end(),
                                                [watch](const auto& item) { return item.second.watch == watch; });
  if (watch >= 0 && !shared) inotify_rm_watch(state_->inotify.get(), watch);
}

void Hotplug::close() {
  if (!state_->open) return;
  state_->open = false;
  boost::system::error_code ignored;
  state_->descriptor.cancel(ignored);
}

bool Hotplug::has_udev() const { return state_->monitor != nullptr; }

}  // namespace tml::serial
