// Owned arrays of libvirt's typed parameters, converted in both directions.
#pragma once

#include <libvirt/libvirt.h>
#include <napi.h>

#include <utility>

namespace vdsm {

class TypedParams {
 public:
  TypedParams() = default;
  ~TypedParams() { virTypedParamsFree(params, count); }
  TypedParams(const TypedParams&) = delete;
  TypedParams& operator=(const TypedParams&) = delete;
  TypedParams(TypedParams&& other)
      : params(std::exchange(other.params, nullptr)),
        count(std::exchange(other.count, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  TypedParams& operator=(TypedParams&&) = delete;

  // A deep copy of an array that libvirt owns.
  static TypedParams Copy(virTypedParameterPtr lent, int count);
  // From [name, kind, value] triples, which TypeScript has checked for consistency.
  static TypedParams FromJs(const Napi::Array& triples);

  virTypedParameterPtr params = nullptr;
  int count = 0;

 private:
  void AddFromJs(const Napi::Array& triple);

  int capacity_ = 0;
};

// 64-bit values: a number where that is exact (|n| < 2^53), otherwise a bigint.
Napi::Value Int64ToJs(Napi::Env env, long long value);
Napi::Value UInt64ToJs(Napi::Env env, unsigned long long value);
// From a number or a bigint whose range TypeScript has checked.
long long Int64FromJs(const Napi::Value& value);
unsigned long long UInt64FromJs(const Napi::Value& value);

Napi::Value ToJs(Napi::Env env, const virTypedParameter& param);

}  // namespace vdsm
