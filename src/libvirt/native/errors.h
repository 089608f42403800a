// A failed libvirt call as plain data. libvirt keeps its last error for each thread, so it is taken
// on the thread of the call, at once; JavaScript gets a copy.
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
// Ours: the handle's connection was closed.
Failure ClosedFailure();
// Ours: the system gives no thread.
Failure NoThreadFailure();

Napi::Value ToJs(Napi::Env env, const Failure& failure);

// libvirt prints each error to stderr unless it is given another place: it is given none, as every
// error reaches the caller.
void SilenceErrorPrinting();

}  // namespace vdsm
