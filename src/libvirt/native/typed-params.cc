// See typed-params.h.
#include "typed-params.h"

#include <string>

namespace vdsm {
namespace {

// 2^53 - 1: integers up to this are exact as doubles.
constexpr long long kMaxSafe = 9007199254740991LL;

}  // namespace

Napi::Value Int64ToJs(Napi::Env env, long long value) {
  if (value >= -kMaxSafe && value <= kMaxSafe) {
    return Napi::Number::New(env, static_cast<double>(value));
  }
  return Napi::BigInt::New(env, static_cast<int64_t>(value));
}

Napi::Value UInt64ToJs(Napi::Env env, unsigned long long value) {
  if (value <= static_cast<unsigned long long>(kMaxSafe)) {
    return Napi::Number::New(env, static_cast<double>(value));
  }
  return Napi::BigInt::New(env, static_cast<uint64_t>(value));
}

long long Int64FromJs(const Napi::Value& value) {
  bool lossless = true;
  if (value.IsBigInt()) return value.As<Napi::BigInt>().Int64Value(&lossless);
  return value.As<Napi::Number>().Int64Value();
}

unsigned long long UInt64FromJs(const Napi::Value& value) {
  bool lossless = true;
  if (value.IsBigInt()) return value.As<Napi::BigInt>().Uint64Value(&lossless);
  // TypeScript passes a number only up to 2^53 - 1, so int64 loses nothing.
  return static_cast<unsigned long long>(value.As<Napi::Number>().Int64Value());
}

TypedParams TypedParams::Copy(virTypedParameterPtr lent, int count) {
  TypedParams copy;
  for (int i = 0; i < count; i++) {
    const virTypedParameter& param = lent[i];
    virTypedParameterPtr* const to = &copy.params;
    int* const n = &copy.count;
    int* const room = &copy.capacity_;
    switch (param.type) {
      case VIR_TYPED_PARAM_INT:
        virTypedParamsAddInt(to, n, room, param.field, param.value.i);
        break;
      case VIR_TYPED_PARAM_UINT:
        virTypedParamsAddUInt(to, n, room, param.field, param.value.ui);
        break;
      case VIR_TYPED_PARAM_LLONG:
        virTypedParamsAddLLong(to, n, room, param.field, param.value.l);
        break;
      case VIR_TYPED_PARAM_ULLONG:
        virTypedParamsAddULLong(to, n, room, param.field, param.value.ul);
        break;
      case VIR_TYPED_PARAM_DOUBLE:
        virTypedParamsAddDouble(to, n, room, param.field, param.value.d);
        break;
      case VIR_TYPED_PARAM_BOOLEAN:
        virTypedParamsAddBoolean(to, n, room, param.field, param.value.b);
        break;
      case VIR_TYPED_PARAM_STRING:
        virTypedParamsAddString(to, n, room, param.field, param.value.s);
        break;
    }
  }
  return copy;
}

void TypedParams::AddFromJs(const Napi::Array& triple) {
  const std::string name = Napi::Value(triple[0U]).As<Napi::String>();
  const std::string kind = Napi::Value(triple[1U]).As<Napi::String>();
  const Napi::Value value = triple[2U];
  if (kind == "int") {
    virTypedParamsAddInt(&params, &count, &capacity_, name.c_str(),
                         value.As<Napi::Number>().Int32Value());
  } else if (kind == "uint") {
    virTypedParamsAddUInt(&params, &count, &capacity_, name.c_str(),
                          value.As<Napi::Number>().Uint32Value());
  } else if (kind == "llong") {
    virTypedParamsAddLLong(&params, &count, &capacity_, name.c_str(), Int64FromJs(value));
  } else if (kind == "ullong") {
    virTypedParamsAddULLong(&params, &count, &capacity_, name.c_str(), UInt64FromJs(value));
  } else if (kind == "double") {
    virTypedParamsAddDouble(&params, &count, &capacity_, name.c_str(),
                            value.As<Napi::Number>().DoubleValue());
  } else if (kind == "boolean") {
    virTypedParamsAddBoolean(&params, &count, &capacity_, name.c_str(),
                             value.As<Napi::Boolean>().Value());
  } else {
    virTypedParamsAddString(&params, &count, &capacity_, name.c_str(),
                            value.As<Napi::String>().Utf8Value().c_str());
  }
}

TypedParams TypedParams::FromJs(const Napi::Array& triples) {
  TypedParams made;
  for (uint32_t i = 0; i < triples.Length(); i++) {
    made.AddFromJs(Napi::Value(triples[i]).As<Napi::Array>());
  }
  return made;
}

Napi::Value ToJs(Napi::Env env, const virTypedParameter& param) {
  switch (param.type) {
    case VIR_TYPED_PARAM_INT:
      return Napi::Number::New(env, param.value.i);
    case VIR_TYPED_PARAM_UINT:
      return Napi::Number::New(env, param.value.ui);
    case VIR_TYPED_PARAM_LLONG:
      return Int64ToJs(env, param.value.l);
    case VIR_TYPED_PARAM_ULLONG:
      return UInt64ToJs(env, param.value.ul);
    case VIR_TYPED_PARAM_DOUBLE:
      return Napi::Number::New(env, param.value.d);
    case VIR_TYPED_PARAM_BOOLEAN:
      return Napi::Boolean::New(env, param.value.b != 0);
    case VIR_TYPED_PARAM_STRING:
      return Napi::String::New(env, param.value.s == nullptr ? "" : param.value.s);
  }
  return env.Undefined();
}

}  // namespace vdsm
