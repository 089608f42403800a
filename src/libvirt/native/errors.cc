// See errors.h.
#include "errors.h"

#include <libvirt/virterror.h>

namespace vdsm {
namespace {

void PrintNothing(void*, virErrorPtr) {}

}  // namespace

Failure LastFailure() {
  const virErrorPtr error = virGetLastError();
  if (error == nullptr || error->code == VIR_ERR_OK) {
    return {VIR_ERR_INTERNAL_ERROR, VIR_FROM_NONE, VIR_ERR_ERROR, "libvirt gave no reason"};
  }
  return {error->code, error->domain, error->level,
          error->message == nullptr ? "" : error->message};
}

Failure ClosedFailure() {
  return {VIR_ERR_INVALID_CONN, VIR_FROM_NONE, VIR_ERR_ERROR, "the connection was closed"};
}

Failure NoThreadFailure() {
  return {VIR_ERR_SYSTEM_ERROR, VIR_FROM_NONE, VIR_ERR_ERROR, "cannot start a thread"};
}

Napi::Value ToJs(Napi::Env env, const Failure& failure) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("code", failure.code);
  object.Set("domain", failure.domain);
  object.Set("level", failure.level);
  object.Set("message", failure.message);
  return object;
}

void SilenceErrorPrinting() { virSetErrorFunc(nullptr, &PrintNothing); }

}  // namespace vdsm
