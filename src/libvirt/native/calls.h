// Shared by connection.cc, domain.cc and domain-job.cc: running a call on a handle, and the
// functions that add their exports.
#pragma once

#include <napi.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "call.h"
#include "handles.h"
#include "typed-params.h"

namespace vdsm {

// Runs `call(Connection&) -> Outcome<T>` for the handle in argument 0; rejects if that is closed.
template <typename T, typename Function>
Napi::Value OnConnection(const Napi::CallbackInfo& info, Function call, Convert<T> convert) {
  std::shared_ptr<Connection> connection = ConnectionOf(info[0]).state->connection;
  if (connection == nullptr) return Rejected(info.Env(), ClosedFailure());
  return Start<T>(
      info.Env(), [connection, call]() -> Outcome<T> { return call(*connection); },
      std::move(convert));
}

// The same for `call(virDomainPtr) -> Outcome<T>`.
template <typename T, typename Function>
Napi::Value OnDomain(const Napi::CallbackInfo& info, Function call, Convert<T> convert) {
  std::shared_ptr<Domain> domain = DomainOf(info[0]).domain;
  if (domain == nullptr) return Rejected(info.Env(), ClosedFailure());
  return Start<T>(
      info.Env(), [domain, call]() -> Outcome<T> { return call(domain->ptr); },
      std::move(convert));
}

// For functions that return -1 on failure and no other information.
inline Outcome<Nothing> Done(int result) {
  if (result < 0) return LastFailure();
  return Nothing{};
}

// For functions that return 0 or 1, or -1 on failure.
inline Outcome<bool> YesOrNo(int result) {
  if (result < 0) return LastFailure();
  return result == 1;
}

// For functions that return a string to be freed, or NULL on failure.
inline Outcome<std::string> Text(char* result) {
  if (result == nullptr) return LastFailure();
  std::string text(result);
  std::free(result);
  return text;
}

// A string argument, or nullptr where JavaScript passed null.
class OptionalText {
 public:
  explicit OptionalText(const Napi::Value& value)
      : given_(!value.IsNull()), text_(given_ ? value.As<Napi::String>().Utf8Value() : "") {}
  const char* get() const { return given_ ? text_.c_str() : nullptr; }

 private:
  bool given_;
  std::string text_;
};

inline std::string TextOf(const Napi::Value& value) { return value.As<Napi::String>(); }
inline std::vector<std::string> TextsOf(const Napi::Value& value) {
  const auto list = value.As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < list.Length(); i++) texts.push_back(TextOf(list[i]));
  return texts;
}
inline uint32_t UIntOf(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }
inline std::shared_ptr<TypedParams> ParamsOf(const Napi::Value& value) {
  return std::make_shared<TypedParams>(TypedParams::FromJs(value.As<Napi::Array>()));
}

void ExportConnection(Napi::Env env, Napi::Object exports);
void ExportDomain(Napi::Env env, Napi::Object exports);
void ExportDomainJob(Napi::Env env, Napi::Object exports);
void ExportJobSamples(Napi::Env env, Napi::Object exports);

inline void Export(Napi::Object exports, const char* name,
                   Napi::Value (*function)(const Napi::CallbackInfo&)) {
  exports.Set(name, Napi::Function::New(exports.Env(), function, name));
}

}  // namespace vdsm
