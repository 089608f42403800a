// A job's typed parameters as one plain JavaScript object. The names are those of job-stats.ts.
#pragma once

#include <napi.h>

#include "typed-params.h"

namespace vdsm {

// Adds what libvirt sent under names of ours; keys that the table lacks go unchanged into `other`.
void AddJobStats(Napi::Env env, Napi::Object stats, const TypedParams& params);

}  // namespace vdsm
