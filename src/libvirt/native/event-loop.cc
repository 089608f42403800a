// See event-loop.h. What libvirt requires of a loop is in <libvirt/libvirt-event.h>.
//
// libvirt calls the functions below with its own locks held, from any thread; so the mutex here is
// held for moments only, never while libvirt's callbacks run. What was removed is freed by the loop's
// thread, when none of its callbacks can be running.
#include "event-loop.h"

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "worker-pool.h"

namespace vdsm {
namespace {

constexpr int64_t kNever = INT64_MAX;
constexpr int64_t kNsPerMs = 1'000'000;
constexpr int kEventsAtOnce = 64;
constexpr int kWaitMaxMs = 60'000;
// Watches and timers are numbered from 1.
constexpr uint64_t kWakeUp = 0;
constexpr char kThreadName[] = "libvirt-events";

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

uint32_t ToEpoll(int events) {
  uint32_t wanted = 0;
  if (events & VIR_EVENT_HANDLE_READABLE) wanted |= EPOLLIN;
  if (events & VIR_EVENT_HANDLE_WRITABLE) wanted |= EPOLLOUT;
  // The kernel reports a hang-up whatever is asked for. Of a handle that is off it is to do so once,
  // not in each turn; turning it on asks again.
  return events == 0 ? static_cast<uint32_t>(EPOLLET) : wanted;
}

int FromEpoll(uint32_t happened) {
  int events = 0;
  if (happened & EPOLLIN) events |= VIR_EVENT_HANDLE_READABLE;
  if (happened & EPOLLOUT) events |= VIR_EVENT_HANDLE_WRITABLE;
  if (happened & EPOLLERR) events |= VIR_EVENT_HANDLE_ERROR;
  if (happened & EPOLLHUP) events |= VIR_EVENT_HANDLE_HANGUP;
  return events;
}

// What a callback gets, and how that is freed.
struct Opaque {
  void* data;
  virFreeCallback free;
};

struct Handle {
  int fd;
  int events;
  virEventHandleCallback callback;
  Opaque opaque;
};

struct Timer {
  int every_ms;  // -1: off.
  int64_t due_ns;
  virEventTimeoutCallback callback;
  Opaque opaque;
};

class EventLoop {
 public:
  static EventLoop& Get() {
    static EventLoop* const loop = new EventLoop();  // Never deleted, like the pool.
    return *loop;
  }

  bool Start();
  int AddHandle(int fd, int events, virEventHandleCallback callback, Opaque opaque);
  void UpdateHandle(int watch, int events);
  int RemoveHandle(int watch);
  int AddTimer(int every_ms, virEventTimeoutCallback callback, Opaque opaque);
  void UpdateTimer(int number, int every_ms);
  int RemoveTimer(int number);

 private:
  static void* Enter(void* loop);
  bool Open();
  void Turn();
  int WaitMs();
  void RunTimers();
  void RunHandle(int watch, uint32_t happened);
  void FreeRemoved();
  bool Control(int operation, int fd, uint64_t number, uint32_t events);
  // Both with the mutex held.
  void Schedule(Timer& timer);
  void WakeIfAfter(int64_t due_ns);

  int epoll_ = -1;
  int wake_ = -1;
  std::mutex mutex_;
  std::map<int, Handle> handles_;
  std::map<int, Timer> timers_;
  std::vector<Opaque> removed_;
  int last_number_ = 0;
  // Until when the thread sleeps unless it is woken; 0: it does not.
  int64_t asleep_until_ns_ = 0;
};

bool EventLoop::Control(int operation, int fd, uint64_t number, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = number;
  return epoll_ctl(epoll_, operation, fd, &event) == 0;
}

int EventLoop::AddHandle(int fd, int events, virEventHandleCallback callback, Opaque opaque) {
  std::lock_guard<std::mutex> lock(mutex_);
  const int watch = ++last_number_;
  // A connection has one handle, on a descriptor of its own; epoll takes each descriptor once.
  if (!Control(EPOLL_CTL_ADD, fd, watch, ToEpoll(events))) return -1;
  handles_.emplace(watch, Handle{fd, events, callback, opaque});
  return watch;
}

void EventLoop::UpdateHandle(int watch, int events) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = handles_.find(watch);
  if (found == handles_.end() || found->second.events == events) return;
  found->second.events = events;
  Control(EPOLL_CTL_MOD, found->second.fd, watch, ToEpoll(events));
}

int EventLoop::RemoveHandle(int watch) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = handles_.find(watch);
  if (found == handles_.end()) return -1;
  // libvirt may close the descriptor as soon as this returns.
  Control(EPOLL_CTL_DEL, found->second.fd, watch, 0);
  removed_.push_back(found->second.opaque);
  handles_.erase(found);
  WakeIfAfter(0);
  return 0;
}

int EventLoop::AddTimer(int every_ms, virEventTimeoutCallback callback, Opaque opaque) {
  std::lock_guard<std::mutex> lock(mutex_);
  const int number = ++last_number_;
  Timer& timer = timers_.emplace(number, Timer{every_ms, kNever, callback, opaque}).first->second;
  Schedule(timer);
  WakeIfAfter(timer.due_ns);
  return number;
}

void EventLoop::UpdateTimer(int number, int every_ms) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = timers_.find(number);
  if (found == timers_.end()) return;
  found->second.every_ms = every_ms;
  Schedule(found->second);
  WakeIfAfter(found->second.due_ns);
}

int EventLoop::RemoveTimer(int number) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = timers_.find(number);
  if (found == timers_.end()) return -1;
  removed_.push_back(found->second.opaque);
  timers_.erase(found);
  WakeIfAfter(0);
  return 0;
}

void EventLoop::Schedule(Timer& timer) {
  timer.due_ns = timer.every_ms < 0 ? kNever : NowNs() + timer.every_ms * kNsPerMs;
}

void EventLoop::WakeIfAfter(int64_t due_ns) {
  if (asleep_until_ns_ <= due_ns) return;
  asleep_until_ns_ = 0;
  const uint64_t one = 1;
  while (write(wake_, &one, sizeof one) < 0 && errno == EINTR) continue;
}

int EventLoop::WaitMs() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!removed_.empty()) return 0;
  int64_t due_ns = kNever;
  for (const auto& [number, timer] : timers_) due_ns = std::min(due_ns, timer.due_ns);
  asleep_until_ns_ = due_ns;
  if (due_ns == kNever) return -1;
  const int64_t wait_ns = std::max<int64_t>(0, due_ns - NowNs());
  // Rounded up: a turn that comes too early would find nothing to do.
  return static_cast<int>(std::min<int64_t>(kWaitMaxMs, (wait_ns + kNsPerMs - 1) / kNsPerMs));
}

void EventLoop::Turn() {
  epoll_event happened[kEventsAtOnce];
  const int count = epoll_wait(epoll_, happened, kEventsAtOnce, WaitMs());
  if (WorkerPool::Get().frozen()) PauseForever();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    asleep_until_ns_ = 0;
  }
  RunTimers();
  for (int i = 0; i < count; i++) {
    if (happened[i].data.u64 == kWakeUp) {
      uint64_t times;
      (void)!read(wake_, &times, sizeof times);
    } else {
      RunHandle(static_cast<int>(happened[i].data.u64), happened[i].events);
    }
  }
  FreeRemoved();
}

void EventLoop::RunTimers() {
  const int64_t now_ns = NowNs();
  std::unique_lock<std::mutex> lock(mutex_);
  // By number, because a callback may remove any of them, and add others, which wait for their turn.
  const int newest = last_number_;
  for (auto next = timers_.begin(); next != timers_.end() && next->first <= newest;) {
    const int number = next->first;
    Timer& timer = next->second;
    if (timer.due_ns <= now_ns) {
      Schedule(timer);
      const auto callback = timer.callback;
      void* const data = timer.opaque.data;
      lock.unlock();
      callback(number, data);
      lock.lock();
    }
    next = timers_.upper_bound(number);
  }
}

void EventLoop::RunHandle(int watch, uint32_t happened) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto found = handles_.find(watch);
  // Removed or turned off since epoll said so.
  if (found == handles_.end() || found->second.events == 0) return;
  const Handle handle = found->second;
  lock.unlock();
  const int always = VIR_EVENT_HANDLE_ERROR | VIR_EVENT_HANDLE_HANGUP;
  const int events = FromEpoll(happened) & (handle.events | always);
  if (events != 0) handle.callback(watch, handle.fd, events, handle.opaque.data);
}

void EventLoop::FreeRemoved() {
  std::vector<Opaque> removed;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    removed = std::exchange(removed_, {});
  }
  for (const Opaque& opaque : removed) {
    if (opaque.free != nullptr) opaque.free(opaque.data);
  }
}

void* EventLoop::Enter(void* loop) {
  pthread_setname_np(pthread_self(), kThreadName);
  for (;;) static_cast<EventLoop*>(loop)->Turn();
}

bool EventLoop::Open() {
  if (epoll_ < 0) epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (wake_ < 0) wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wake_ < 0) return false;
  return Control(EPOLL_CTL_ADD, wake_, kWakeUp, EPOLLIN) || errno == EEXIST;
}

bool EventLoop::Start() {
  if (!Open()) return false;
  virEventRegisterImpl(
      [](int fd, int events, virEventHandleCallback callback, void* data, virFreeCallback free) {
        return Get().AddHandle(fd, events, callback, {data, free});
      },
      [](int watch, int events) { Get().UpdateHandle(watch, events); },
      [](int watch) { return Get().RemoveHandle(watch); },
      [](int every_ms, virEventTimeoutCallback callback, void* data, virFreeCallback free) {
        return Get().AddTimer(every_ms, callback, {data, free});
      },
      [](int number, int every_ms) { Get().UpdateTimer(number, every_ms); },
      [](int number) { return Get().RemoveTimer(number); });
  return StartDetachedThread(&EventLoop::Enter, this);
}

}  // namespace

bool StartEventLoop() { return EventLoop::Get().Start(); }

}  // namespace vdsm
