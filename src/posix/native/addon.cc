// The addon: one function per system call, run on the calling thread, and those of handshake.cc. No
// decisions here; TypeScript has checked the arguments (abi.ts lists every function and its types).
//
// A failed call does not throw: it returns a negative errno, which index.ts turns into an error
// with the system's name for it.
#include <cerrno>

#include <napi.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "handshake.h"

namespace vdsm {
namespace {

Napi::Value Flock(const Napi::CallbackInfo& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const bool exclusive = info[1].As<Napi::Boolean>().Value();
  const bool non_blocking = info[2].As<Napi::Boolean>().Value();
  const int operation = (exclusive ? LOCK_EX : LOCK_SH) | (non_blocking ? LOCK_NB : 0);
  int result;
  do {
    result = flock(fd, operation);
  } while (result != 0 && errno == EINTR);
  return Napi::Number::New(info.Env(), result == 0 ? 0 : -errno);
}

Napi::Value PeerCredentials(const Napi::CallbackInfo& info) {
  ucred credentials = {};
  socklen_t size = sizeof credentials;
  const int fd = info[0].As<Napi::Number>().Int32Value();
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return Napi::Number::New(info.Env(), -errno);
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("pid", static_cast<double>(credentials.pid));
  result.Set("uid", static_cast<double>(credentials.uid));
  result.Set("gid", static_cast<double>(credentials.gid));
  return result;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("flock", Napi::Function::New(env, Flock, "flock"));
  exports.Set("peerCredentials", Napi::Function::New(env, PeerCredentials, "peerCredentials"));
  exports.Set("verifyInHandshake", Napi::Function::New(env, VerifyInHandshake));
  exports.Set("takeRefusal", Napi::Function::New(env, TakeRefusal));
  return exports;
}

}  // namespace
}  // namespace vdsm

using vdsm::Init;
NODE_API_MODULE(node_posix, Init)
