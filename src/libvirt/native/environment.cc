// See environment.h.
#include "environment.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "worker-pool.h"

namespace vdsm {
namespace {

using Shared = std::shared_ptr<Environment>;

bool OnMainThread() { return syscall(SYS_gettid) == getpid(); }

}  // namespace

Shared Environment::Of(Napi::Env env) {
  Shared* const found = env.GetInstanceData<Shared>();
  return found == nullptr ? nullptr : *found;
}

void Environment::Create(Napi::Env env, Napi::Function dispatch) {
  if (Of(env) != nullptr) {
    Napi::Error::New(env, "libvirt: loaded twice on one thread").ThrowAsJavaScriptException();
    return;
  }
  auto self = std::make_shared<Environment>();
  napi_value name = Napi::String::New(env, "libvirt");
  const napi_status made =
      napi_create_threadsafe_function(env, dispatch, nullptr, name, 0, 1, nullptr, nullptr,
                                      self.get(), &Environment::Deliver, &self->queue_);
  if (made != napi_ok) {
    Napi::Error::New(env, "libvirt: cannot create thread-safe function").ThrowAsJavaScriptException();
    return;
  }
  napi_unref_threadsafe_function(env, self->queue_);
  // Cleanup hooks run in reverse order: this one, registered after the thread-safe function, runs
  // before that ends. From then on no thread touches it.
  napi_add_env_cleanup_hook(env, &Environment::End, new Shared(self));
  env.SetInstanceData(new Shared(self));
}

void Environment::End(void* data) {
  Shared* const self = static_cast<Shared*>(data);
  // When the main thread's environment ends, the process ends.
  if (OnMainThread()) WorkerPool::Get().Freeze();
  {
    std::lock_guard<std::mutex> lock((*self)->mutex_);
    (*self)->queue_ = nullptr;
  }
  delete self;
}

bool Environment::Post(Delivery delivery) {
  auto data = std::make_unique<Delivery>(std::move(delivery));
  std::lock_guard<std::mutex> lock(mutex_);
  if (queue_ == nullptr) return false;
  if (napi_call_threadsafe_function(queue_, data.get(), napi_tsfn_nonblocking) != napi_ok) {
    return false;
  }
  data.release();
  return true;
}

void Environment::PostEvent(uint32_t subscription,
                            std::function<Napi::Value(Napi::Env)> payload) {
  Post([subscription, payload = std::move(payload)](Napi::Env env, Napi::Function dispatch) {
    dispatch.Call({Napi::Number::New(env, subscription), payload(env)});
  });
}

void Environment::Deliver(napi_env env, napi_value dispatch, void*, void* data) {
  const std::unique_ptr<Delivery> delivery(static_cast<Delivery*>(data));
  if (env == nullptr) return;  // The queue is drained when the JavaScript thread ends.
  Napi::HandleScope scope(env);
  (*delivery)(Napi::Env(env), Napi::Function(env, dispatch));
}

void Environment::Hold(Napi::Env env) {
  holds_ += 1;
  if (holds_ == 1 && queue_ != nullptr) napi_ref_threadsafe_function(env, queue_);
}

void Environment::Release(Napi::Env env) {
  holds_ -= 1;
  if (holds_ == 0 && queue_ != nullptr) napi_unref_threadsafe_function(env, queue_);
}

}  // namespace vdsm
