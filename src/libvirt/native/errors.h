// A failed libvirt call as plain data. libvirt keeps the last error per thread, so it is copied
// right after the call, on the same thread; JavaScript gets the copy.
#pragma once

#include <napi.h>

#include <string>

namespace vdsm {

struct Failure {
  int code;
  int domain;
  int level;
  std::string message;
};

// The error of the libvirt call that just failed on this thread.
Failure LastFailure();
// Our own error: the handle's connection was closed.
Failure ClosedFailure();
// Our own error: the system refused to create a thread.
Failure NoThreadFailure();

Napi::Value ToJs(Napi::Env env, const Failure& failure);

// By default libvirt prints each error to stderr; this stops it, because every error reaches the
// caller.
void SilenceErrorPrinting();

}  // namespace vdsm
