// One JavaScript thread that loaded the addon (the main one, or a worker thread), and the way back
// to it: whatever happens on other threads is posted here and delivered there, in order, through
// one thread-safe function.
//
// The object is shared: calls and subscriptions keep it alive after its JavaScript thread ends;
// what they post from then on is dropped. Results own whatever libvirt allocated until they are
// converted, so dropping a result frees it.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace vdsm {

class Environment {
 public:
  // Runs on the JavaScript thread, with the dispatch function that was passed to `initialize`.
  using Delivery = std::function<void(Napi::Env, Napi::Function)>;

  // The environment of this JavaScript thread; nullptr before Create.
  static std::shared_ptr<Environment> Of(Napi::Env env);
  static void Create(Napi::Env env, Napi::Function dispatch);

  // From any thread. False if the JavaScript thread is gone; then the delivery is destroyed here.
  bool Post(Delivery delivery);
  // From any thread: an event for a subscription; its payload is made on the JavaScript thread.
  void PostEvent(uint32_t subscription, std::function<Napi::Value(Napi::Env)> payload);

  // On the JavaScript thread only. The process stays alive while there are more holds than
  // releases.
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
