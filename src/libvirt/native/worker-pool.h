// The threads on which libvirt is called. They are the addon's own and not libuv's: a libvirt call
// may block for ever, and libuv's pool is small, shared with file access and joined at exit.
//
// There is one pool a process, however many JavaScript threads load the addon. It is never
// destroyed: its threads are detached and may be inside libvirt when the process ends, so whatever
// they touch must outlive everything.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace vdsm {

class WorkerPool {
 public:
  using Task = std::function<void()>;

  struct Counts {
    size_t threads;
    size_t idle;
    size_t waiting;
  };

  // A blocked call holds its thread. This many may be blocked; then further calls wait for one to
  // come back. 8 MiB of address space each, of which little is used.
  static constexpr size_t kMaxThreads = 256;
  // A thread that had nothing to do for this long ends.
  static constexpr int kIdleSeconds = 10;

  static WorkerPool& Get();

  // Runs the task on some thread, starting one if none is idle. False, and the task is not kept, if
  // there is no thread at all and none can be started.
  bool Submit(Task task);

  // The process is ending: no task is begun any more, and threads that come back stay where they
  // are, so that none of them runs in libraries whose destructors are at work.
  void Freeze();
  bool frozen();

  Counts counts();

 private:
  WorkerPool() = default;
  bool StartThread();
  void Loop();
  static void* Enter(void* pool);

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Task> queue_;
  size_t threads_ = 0;
  size_t idle_ = 0;
  bool frozen_ = false;
};

// Starts a detached thread that gets no signal (they are Node's). False if the system refuses.
bool StartDetachedThread(void* (*entry)(void*), void* argument);

// Never returns: for a thread that must do nothing more while the process ends.
[[noreturn]] void StandStill();

}  // namespace vdsm
