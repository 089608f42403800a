// The addon's entry point: its exports, and the functions that concern the process, not a handle.
//
// The C++ code maps one to one to libvirt and makes no decisions; TypeScript has checked the
// arguments (abi.ts lists every function and its types). The library is linked with -z nodelete:
// its threads may still be running its code when the JavaScript thread that loaded it ends.
#include <libvirt/libvirt.h>
#include <napi.h>

#include "calls.h"

namespace vdsm {
namespace {

Napi::Value Initialize(const Napi::CallbackInfo& info) {
  Environment::Create(info.Env(), info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Value HoldProcess(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env())->Hold(info.Env());
  return info.Env().Undefined();
}

Napi::Value ReleaseProcess(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env())->Release(info.Env());
  return info.Env().Undefined();
}

Napi::Value LibraryVersion(const Napi::CallbackInfo& info) {
  unsigned long version = 0;
  virGetVersion(&version, nullptr, nullptr);
  return UInt64ToJs(info.Env(), version);
}

Napi::Value Threads(const Napi::CallbackInfo& info) {
  const WorkerPool::Counts counts = WorkerPool::Get().counts();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("threads", static_cast<double>(counts.threads));
  result.Set("idle", static_cast<double>(counts.idle));
  result.Set("waiting", static_cast<double>(counts.waiting));
  result.Set("limit", static_cast<double>(WorkerPool::kMaxThreads));
  return result;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Export(exports, "initialize", Initialize);
  Export(exports, "holdProcess", HoldProcess);
  Export(exports, "releaseProcess", ReleaseProcess);
  Export(exports, "libraryVersion", LibraryVersion);
  Export(exports, "threads", Threads);
  ExportConnection(env, exports);
  ExportDomain(env, exports);
  ExportDomainJob(env, exports);
  ExportJobSamples(env, exports);
  return exports;
}

}  // namespace
}  // namespace vdsm

using vdsm::Init;
NODE_API_MODULE(node_libvirt, Init)
