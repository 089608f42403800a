// A job's typed parameters as one plain JavaScript object, with the names of job-stats.ts.
#pragma once

#include <napi.h>

#include "typed-params.h"

namespace vdsm {

// Adds what libvirt sent under our names; keys missing from the table go unchanged into `other`.
void AddJobStats(Napi::Env env, Napi::Object stats, const TypedParams& params);

}  // namespace vdsm
