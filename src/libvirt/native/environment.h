// One JavaScript thread that loaded the addon (the main one, or a worker_threads one), and the way
// back to it: everything that happens on other threads is posted here and delivered there, in
// order, through one thread-safe function.
//
// The object is shared: calls and subscriptions hold it beyond the end of its JavaScript thread,
// after which what they post is dropped. Held back until its time is whatever libvirt owns, so that
// dropping a result frees it.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace vdsm {

class Environment {
 public:
  // Runs on the JavaScript thread, with the dispatch function that `initialize` was given.
  using Delivery = std::function<void(Napi::Env, Napi::Function)>;

  // The environment of this JavaScript thread. Only after Create.
  static std::shared_ptr<Environment> Of(Napi::Env env);
  static void Create(Napi::Env env, Napi::Function dispatch);

  // From any thread. False if the JavaScript thread is gone; then the delivery is destroyed here.
  bool Post(Delivery delivery);
  // From any thread: an event for a subscription, its payload made on the JavaScript thread.
  void PostEvent(uint32_t subscription, std::function<Napi::Value(Napi::Env)> payload);

  // On the JavaScript thread only: while more holds than releases, the process stays alive.
  void Hold(Napi::Env env);
  void Release(Napi::Env env);

 private:
  static void Deliver(napi_env env, napi_value dispatch, void* context, void* data);
  static void End(void* self);

  std::mutex mutex_;
  napi_threadsafe_function queue_ = nullptr;  // nullptr: the JavaScript thread is gone.
  size_t holds_ = 0;
};

}  // namespace vdsm
