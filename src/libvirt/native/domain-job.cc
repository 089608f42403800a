// Calls on a domain's job and migration, one to one. Names and argument order follow abi.ts.
#include <libvirt/libvirt.h>

#include "calls.h"
#include "job-stats.h"

namespace vdsm {
namespace {

using Info = Napi::CallbackInfo;

struct Job {
  int type = 0;
  std::shared_ptr<TypedParams> params = std::make_shared<TypedParams>();
};

Napi::Value DomainGetJobStats(const Info& info) {
  return OnDomain<Job>(
      info,
      [flags = UIntOf(info[1])](virDomainPtr domain) -> Outcome<Job> {
        Job job;
        if (virDomainGetJobStats(domain, &job.type, &job.params->params, &job.params->count,
                                 flags) < 0) {
          return LastFailure();
        }
        return job;
      },
      [](Napi::Env env, Job& job) -> Napi::Value {
        Napi::Object stats = Napi::Object::New(env);
        stats.Set("type", job.type);
        AddJobStats(env, stats, *job.params);
        return stats;
      });
}

Napi::Value DomainAbortJob(const Info& info) {
  return OnDomain<Nothing>(
      info, [](virDomainPtr domain) { return Done(virDomainAbortJob(domain)); }, ToUndefined);
}

Napi::Value DomainAbortJobFlags(const Info& info) {
  return OnDomain<Nothing>(
      info,
      [flags = UIntOf(info[1])](virDomainPtr domain) {
        return Done(virDomainAbortJobFlags(domain, flags));
      },
      ToUndefined);
}

Napi::Value DomainMigrateToUri3(const Info& info) {
  return OnDomain<Nothing>(
      info,
      [uri = OptionalText(info[1]), params = ParamsOf(info[2]), flags = UIntOf(info[3])](
          virDomainPtr domain) {
        return Done(
            virDomainMigrateToURI3(domain, uri.get(), params->params, params->count, flags));
      },
      ToUndefined);
}

Napi::Value DomainMigrateSetMaxSpeed(const Info& info) {
  const unsigned long mibps = UInt64FromJs(info[1]);
  return OnDomain<Nothing>(
      info,
      [mibps, flags = UIntOf(info[2])](virDomainPtr domain) {
        return Done(virDomainMigrateSetMaxSpeed(domain, mibps, flags));
      },
      ToUndefined);
}

using Count = unsigned long long;

Napi::Value CountToJs(Napi::Env env, Count& value) { return UInt64ToJs(env, value); }

Napi::Value DomainMigrateGetMaxSpeed(const Info& info) {
  return OnDomain<Count>(
      info,
      [flags = UIntOf(info[1])](virDomainPtr domain) -> Outcome<Count> {
        unsigned long mibps = 0;
        if (virDomainMigrateGetMaxSpeed(domain, &mibps, flags) < 0) return LastFailure();
        return Count{mibps};
      },
      CountToJs);
}

// For functions that set or get one number and take flags, none of which are defined yet.
Napi::Value SetCount(const Info& info, int (*set)(virDomainPtr, Count, unsigned int)) {
  return OnDomain<Nothing>(
      info,
      [set, value = UInt64FromJs(info[1])](virDomainPtr domain) {
        return Done(set(domain, value, 0));
      },
      ToUndefined);
}

Napi::Value GetCount(const Info& info, int (*get)(virDomainPtr, Count*, unsigned int)) {
  return OnDomain<Count>(
      info,
      [get](virDomainPtr domain) -> Outcome<Count> {
        Count value = 0;
        if (get(domain, &value, 0) < 0) return LastFailure();
        return value;
      },
      CountToJs);
}

Napi::Value DomainMigrateSetMaxDowntime(const Info& info) {
  return SetCount(info, &virDomainMigrateSetMaxDowntime);
}
Napi::Value DomainMigrateGetMaxDowntime(const Info& info) {
  return GetCount(info, &virDomainMigrateGetMaxDowntime);
}
Napi::Value DomainMigrateSetCompressionCache(const Info& info) {
  return SetCount(info, &virDomainMigrateSetCompressionCache);
}
Napi::Value DomainMigrateGetCompressionCache(const Info& info) {
  return GetCount(info, &virDomainMigrateGetCompressionCache);
}

Napi::Value DomainMigrateStartPostCopy(const Info& info) {
  return OnDomain<Nothing>(
      info, [](virDomainPtr domain) { return Done(virDomainMigrateStartPostCopy(domain, 0)); },
      ToUndefined);
}

}  // namespace

void ExportDomainJob(Napi::Env, Napi::Object exports) {
  Export(exports, "domainGetJobStats", DomainGetJobStats);
  Export(exports, "domainAbortJob", DomainAbortJob);
  Export(exports, "domainAbortJobFlags", DomainAbortJobFlags);
  Export(exports, "domainMigrateToUri3", DomainMigrateToUri3);
  Export(exports, "domainMigrateSetMaxSpeed", DomainMigrateSetMaxSpeed);
  Export(exports, "domainMigrateGetMaxSpeed", DomainMigrateGetMaxSpeed);
  Export(exports, "domainMigrateSetMaxDowntime", DomainMigrateSetMaxDowntime);
  Export(exports, "domainMigrateGetMaxDowntime", DomainMigrateGetMaxDowntime);
  Export(exports, "domainMigrateStartPostCopy", DomainMigrateStartPostCopy);
  Export(exports, "domainMigrateSetCompressionCache", DomainMigrateSetCompressionCache);
  Export(exports, "domainMigrateGetCompressionCache", DomainMigrateGetCompressionCache);
}

}  // namespace vdsm
