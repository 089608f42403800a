// See worker-pool.h.
#include "worker-pool.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <utility>

namespace vdsm {

WorkerPool& WorkerPool::Get() {
  static WorkerPool* const pool = new WorkerPool();  // Never deleted, see the header.
  return *pool;
}

bool WorkerPool::Submit(Task task) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (frozen_) {
    new Task(std::move(task));  // Leaked on purpose: destroying it could call libvirt.
    return true;
  }
  queue_.push_back(std::move(task));
  // A thread that was woken but has not run yet still counts as idle, and its task is still in the
  // queue, so this comparison is always right.
  if (idle_ >= queue_.size()) {
    work_.notify_one();
    return true;
  }
  if (threads_ < kMaxThreads && StartThread()) return true;
  if (threads_ > 0) return true;
  task = std::move(queue_.back());
  queue_.pop_back();
  lock.unlock();  // The task is destroyed after this, and that might call Submit.
  return false;
}

bool WorkerPool::StartThread() {
  threads_ += 1;
  if (StartDetachedThread(&WorkerPool::Enter, this)) return true;
  threads_ -= 1;
  return false;
}

void* WorkerPool::Enter(void* pool) {
  static_cast<WorkerPool*>(pool)->Loop();
  return nullptr;
}

void WorkerPool::Loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    if (frozen_) {
      lock.unlock();
      PauseForever();
    }
    if (queue_.empty()) {
      idle_ += 1;
      work_.wait_for(lock, std::chrono::seconds(kIdleSeconds),
                     [this] { return !queue_.empty() || frozen_; });
      idle_ -= 1;
      if (queue_.empty() && !frozen_) break;
      continue;
    }
    Task task = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
  threads_ -= 1;
}

void WorkerPool::Freeze() {
  std::lock_guard<std::mutex> lock(mutex_);
  frozen_ = true;
}

bool WorkerPool::frozen() {
  std::lock_guard<std::mutex> lock(mutex_);
  return frozen_;
}

WorkerPool::Counts WorkerPool::counts() {
  std::lock_guard<std::mutex> lock(mutex_);
  return {threads_, idle_, queue_.size()};
}

bool StartDetachedThread(void* (*entry)(void*), void* argument) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int failed = pthread_create(&thread, &attributes, entry, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return failed == 0;
}

void PauseForever() {
  for (;;) pause();
}

}  // namespace vdsm
