// Calls on a domain's life cycle, one to one. Names and argument order follow abi.ts.
#include <libvirt/libvirt.h>

#include "calls.h"

namespace vdsm {
namespace {

using Info = Napi::CallbackInfo;

Napi::Value DomainGetId(const Info& info) {
  const DomainBox& box = DomainOf(info[0]);
  return IdToJs(info.Env(), box.domain == nullptr ? box.last_id : IdOf(box.domain->ptr));
}

struct State {
  int state;
  int reason;
};

Napi::Value DomainGetState(const Info& info) {
  return OnDomain<State>(
      info,
      [](virDomainPtr domain) -> Outcome<State> {
        State got{};
        if (virDomainGetState(domain, &got.state, &got.reason, 0) < 0) return LastFailure();
        return got;
      },
      [](Napi::Env env, State& got) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result.Set("state", got.state);
        result.Set("reason", got.reason);
        return result;
      });
}

Napi::Value DomainGetXml(const Info& info) {
  return OnDomain<std::string>(
      info,
      [flags = UIntOf(info[1])](virDomainPtr domain) {
        return Text(virDomainGetXMLDesc(domain, flags));
      },
      ToString);
}

Napi::Value DomainGetInfo(const Info& info) {
  return OnDomain<virDomainInfo>(
      info,
      [](virDomainPtr domain) -> Outcome<virDomainInfo> {
        virDomainInfo got{};
        if (virDomainGetInfo(domain, &got) < 0) return LastFailure();
        return got;
      },
      [](Napi::Env env, virDomainInfo& got) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result.Set("state", static_cast<int>(got.state));
        result.Set("maxMemoryKiB", UInt64ToJs(env, got.maxMem));
        result.Set("memoryKiB", UInt64ToJs(env, got.memory));
        result.Set("vcpus", static_cast<int>(got.nrVirtCpu));
        result.Set("cpuTimeNs", UInt64ToJs(env, got.cpuTime));
        return result;
      });
}

Napi::Value DomainIsPersistent(const Info& info) {
  return OnDomain<bool>(
      info, [](virDomainPtr domain) { return YesOrNo(virDomainIsPersistent(domain)); }, ToBoolean);
}

Napi::Value DomainIsActive(const Info& info) {
  return OnDomain<bool>(
      info, [](virDomainPtr domain) { return YesOrNo(virDomainIsActive(domain)); }, ToBoolean);
}

// For functions that take a domain and flags, and report success or failure.
Napi::Value WithFlags(const Info& info, int (*function)(virDomainPtr, unsigned int)) {
  return OnDomain<Nothing>(
      info,
      [function, flags = UIntOf(info[1])](virDomainPtr domain) {
        return Done(function(domain, flags));
      },
      ToUndefined);
}

// For functions that take only a domain.
Napi::Value Plain(const Info& info, int (*function)(virDomainPtr)) {
  return OnDomain<Nothing>(
      info, [function](virDomainPtr domain) { return Done(function(domain)); }, ToUndefined);
}

Napi::Value DomainCreate(const Info& info) { return WithFlags(info, &virDomainCreateWithFlags); }
Napi::Value DomainDestroy(const Info& info) { return WithFlags(info, &virDomainDestroyFlags); }
Napi::Value DomainUndefine(const Info& info) { return WithFlags(info, &virDomainUndefineFlags); }
Napi::Value DomainShutdown(const Info& info) { return WithFlags(info, &virDomainShutdownFlags); }
Napi::Value DomainSuspend(const Info& info) { return Plain(info, &virDomainSuspend); }
Napi::Value DomainResume(const Info& info) { return Plain(info, &virDomainResume); }

Napi::Value DomainSave(const Info& info) {
  return OnDomain<Nothing>(
      info,
      [path = TextOf(info[1]), xml = OptionalText(info[2]), flags = UIntOf(info[3])](
          virDomainPtr domain) {
        return Done(virDomainSaveFlags(domain, path.c_str(), xml.get(), flags));
      },
      ToUndefined);
}

Napi::Value DomainSaveParams(const Info& info) {
  return OnDomain<Nothing>(
      info,
      [params = ParamsOf(info[1]), flags = UIntOf(info[2])](virDomainPtr domain) {
        return Done(virDomainSaveParams(domain, params->params, params->count, flags));
      },
      ToUndefined);
}

}  // namespace

void ExportDomain(Napi::Env, Napi::Object exports) {
  Export(exports, "domainGetId", DomainGetId);
  Export(exports, "domainGetState", DomainGetState);
  Export(exports, "domainGetXml", DomainGetXml);
  Export(exports, "domainGetInfo", DomainGetInfo);
  Export(exports, "domainIsPersistent", DomainIsPersistent);
  Export(exports, "domainIsActive", DomainIsActive);
  Export(exports, "domainCreate", DomainCreate);
  Export(exports, "domainDestroy", DomainDestroy);
  Export(exports, "domainUndefine", DomainUndefine);
  Export(exports, "domainShutdown", DomainShutdown);
  Export(exports, "domainSuspend", DomainSuspend);
  Export(exports, "domainResume", DomainResume);
  Export(exports, "domainSave", DomainSave);
  Export(exports, "domainSaveParams", DomainSaveParams);
}

}  // namespace vdsm
