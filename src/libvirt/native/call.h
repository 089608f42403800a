// One libvirt call as a promise: `work` runs on a pool thread, `convert` turns its value into a
// JavaScript value on the JavaScript thread. What `work` captured (references to handles) is
// released on the pool thread before the promise settles.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "environment.h"
#include "errors.h"
#include "worker-pool.h"

namespace vdsm {

struct Nothing {};

template <typename T>
using Outcome = std::variant<T, Failure>;

template <typename T>
using Work = std::function<Outcome<T>()>;

template <typename T>
using Convert = std::function<Napi::Value(Napi::Env, T&)>;

// A promise rejected with the failure.
inline Napi::Value Rejected(Napi::Env env, const Failure& failure) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(ToJs(env, failure));
  return deferred.Promise();
}

template <typename T>
Napi::Value Start(Napi::Env env, Work<T> work, Convert<T> convert) {
  const std::shared_ptr<Environment> environment = Environment::Of(env);
  const auto deferred = Napi::Promise::Deferred::New(env);
  // Shared only because std::function requires copyable captures; there is one owner at a time.
  struct Call {
    Work<T> work;
    Convert<T> convert;
    Outcome<T> outcome;
  };
  auto call = std::make_shared<Call>(Call{std::move(work), std::move(convert), Failure{}});
  const bool accepted = WorkerPool::Get().Submit([environment, deferred, call]() mutable {
    call->outcome = call->work();
    call->work = nullptr;
    environment->Post([environment, deferred, call = std::move(call)](Napi::Env env, auto) {
      environment->Release(env);
      if (const Failure* const failure = std::get_if<Failure>(&call->outcome)) {
        deferred.Reject(ToJs(env, *failure));
      } else {
        deferred.Resolve(call->convert(env, std::get<T>(call->outcome)));
      }
    });
  });
  if (!accepted) return Rejected(env, NoThreadFailure());
  environment->Hold(env);
  return deferred.Promise();
}

inline Napi::Value ToUndefined(Napi::Env env, Nothing&) { return env.Undefined(); }
inline Napi::Value ToBoolean(Napi::Env env, bool& value) { return Napi::Boolean::New(env, value); }
inline Napi::Value ToString(Napi::Env env, std::string& value) {
  return Napi::String::New(env, value);
}

}  // namespace vdsm
