// The threads that call libvirt. They are the addon's own, not libuv's: a libvirt call may block
// forever, and libuv's pool is small, shared with file access, and joined at exit.
//
// There is one pool per process, however many JavaScript threads load the addon. It is never
// destroyed: its threads are detached and may be inside libvirt when the process ends, so what they
// use must outlive everything else.
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

  // A blocked call holds its thread. When this many are blocked, further calls wait for one to
  // return. Each thread takes 8 MiB of address space and little memory.
  static constexpr size_t kMaxThreads = 256;
  // A thread ends after being idle for this long.
  static constexpr int kIdleSeconds = 10;

  static WorkerPool& Get();

  // Runs the task on some thread, starting one if none is idle. False, and the task is dropped, if
  // there is no thread and none can be started.
  bool Submit(Task task);

  // The process is ending: no more tasks are started, and threads that return from libvirt stop
  // there, so that none runs code of libraries whose destructors are running.
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

// Starts a detached thread with all signals blocked (Node handles them). False if the system
// refuses.
bool StartDetachedThread(void* (*entry)(void*), void* argument);

// Never returns: for a thread that must do nothing more while the process ends.
[[noreturn]] void PauseForever();

}  // namespace vdsm
