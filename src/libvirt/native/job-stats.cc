// See job-stats.h. The only place where libvirt's keys are mapped to our names; units are from each
// key's description in libvirt-domain.h.
#include "job-stats.h"

#include <string_view>
#include <unordered_map>

namespace vdsm {
namespace {

using Names = std::unordered_map<std::string_view, const char*>;

const Names& KnownNames() {
  static const Names* const names = new Names{
      {VIR_DOMAIN_JOB_OPERATION, "operation"},
      {VIR_DOMAIN_JOB_TIME_ELAPSED, "timeElapsedMs"},
      {VIR_DOMAIN_JOB_TIME_ELAPSED_NET, "timeElapsedNetMs"},
      {VIR_DOMAIN_JOB_TIME_REMAINING, "timeRemainingMs"},
      {VIR_DOMAIN_JOB_DOWNTIME, "downtimeMs"},
      {VIR_DOMAIN_JOB_DOWNTIME_NET, "downtimeNetMs"},
      {VIR_DOMAIN_JOB_SETUP_TIME, "setupTimeMs"},
      {VIR_DOMAIN_JOB_DATA_TOTAL, "dataTotalBytes"},
      {VIR_DOMAIN_JOB_DATA_PROCESSED, "dataProcessedBytes"},
      {VIR_DOMAIN_JOB_DATA_REMAINING, "dataRemainingBytes"},
      {VIR_DOMAIN_JOB_MEMORY_TOTAL, "memoryTotalBytes"},
      {VIR_DOMAIN_JOB_MEMORY_PROCESSED, "memoryProcessedBytes"},
      {VIR_DOMAIN_JOB_MEMORY_REMAINING, "memoryRemainingBytes"},
      {VIR_DOMAIN_JOB_MEMORY_CONSTANT, "memoryConstantPages"},
      {VIR_DOMAIN_JOB_MEMORY_NORMAL, "memoryNormalPages"},
      {VIR_DOMAIN_JOB_MEMORY_NORMAL_BYTES, "memoryNormalBytes"},
      {VIR_DOMAIN_JOB_MEMORY_BPS, "memoryBytesPerSecond"},
      {VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, "memoryDirtyRatePagesPerSecond"},
      {VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, "memoryPageSizeBytes"},
      {VIR_DOMAIN_JOB_MEMORY_ITERATION, "memoryIteration"},
      {VIR_DOMAIN_JOB_MEMORY_POSTCOPY_REQS, "memoryPostcopyRequests"},
      {VIR_DOMAIN_JOB_DISK_TOTAL, "diskTotalBytes"},
      {VIR_DOMAIN_JOB_DISK_PROCESSED, "diskProcessedBytes"},
      {VIR_DOMAIN_JOB_DISK_REMAINING, "diskRemainingBytes"},
      {VIR_DOMAIN_JOB_DISK_BPS, "diskBytesPerSecond"},
      {VIR_DOMAIN_JOB_DISK_TEMP_USED, "diskTempUsedBytes"},
      {VIR_DOMAIN_JOB_DISK_TEMP_TOTAL, "diskTempTotalBytes"},
      {VIR_DOMAIN_JOB_COMPRESSION_CACHE, "compressionCacheBytes"},
      {VIR_DOMAIN_JOB_COMPRESSION_BYTES, "compressionBytes"},
      {VIR_DOMAIN_JOB_COMPRESSION_PAGES, "compressionPages"},
      {VIR_DOMAIN_JOB_COMPRESSION_CACHE_MISSES, "compressionCacheMisses"},
      {VIR_DOMAIN_JOB_COMPRESSION_OVERFLOW, "compressionOverflows"},
      {VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE, "autoConvergeThrottlePercent"},
      {VIR_DOMAIN_JOB_SUCCESS, "success"},
      {VIR_DOMAIN_JOB_ERRMSG, "errorMessage"},
      {"vfio_data_transferred", "vfioDataTransferredBytes"},  // libvirt 10.6; no macro in 9.0.
  };
  return *names;
}

}  // namespace

void AddJobStats(Napi::Env env, Napi::Object stats, const TypedParams& params) {
  Napi::Object other;
  for (int i = 0; i < params.count; i++) {
    const virTypedParameter& param = params.params[i];
    const auto known = KnownNames().find(param.field);
    if (known != KnownNames().end()) {
      stats.Set(known->second, ToJs(env, param));
      continue;
    }
    if (other.IsEmpty()) {
      other = Napi::Object::New(env);
      stats.Set("other", other);
    }
    other.Set(param.field, ToJs(env, param));
  }
}

}  // namespace vdsm
