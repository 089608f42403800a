// See job-samples.h.
#include "job-samples.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "calls.h"
#include "typed-params.h"
#include "worker-pool.h"

namespace vdsm {
namespace {

using Info = Napi::CallbackInfo;

// In the order of job-samples.ts.
constexpr const char* kSampledKeys[JobSamples::kFields] = {
    VIR_DOMAIN_JOB_OPERATION,        VIR_DOMAIN_JOB_TIME_ELAPSED,
    VIR_DOMAIN_JOB_DATA_TOTAL,       VIR_DOMAIN_JOB_DATA_PROCESSED,
    VIR_DOMAIN_JOB_DATA_REMAINING,   VIR_DOMAIN_JOB_MEMORY_ITERATION,
    VIR_DOMAIN_JOB_MEMORY_BPS,       VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE,
    VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, VIR_DOMAIN_JOB_MEMORY_REMAINING,
    VIR_DOMAIN_JOB_MEMORY_NORMAL,    VIR_DOMAIN_JOB_MEMORY_CONSTANT,
    VIR_DOMAIN_JOB_COMPRESSION_PAGES, VIR_DOMAIN_JOB_DOWNTIME,
    VIR_DOMAIN_JOB_DOWNTIME_NET,
};

// 2^53 - 1: larger integers are not exact as doubles, and are clamped to it.
constexpr double kMaxSafe = 9007199254740991.0;
// index, age, type.
constexpr size_t kBeforeFields = 3;
constexpr size_t kRow = kBeforeFields + JobSamples::kFields;

const std::unordered_map<std::string_view, size_t>& SampledKeys() {
  static const auto* const keys = [] {
    auto* const made = new std::unordered_map<std::string_view, size_t>();
    for (size_t i = 0; i < JobSamples::kFields; i++) made->emplace(kSampledKeys[i], i);
    return made;
  }();
  return *keys;
}

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// NaN for anything but a number.
double ToDouble(const virTypedParameter& param) {
  switch (param.type) {
    case VIR_TYPED_PARAM_INT:
      return param.value.i;
    case VIR_TYPED_PARAM_UINT:
      return param.value.ui;
    case VIR_TYPED_PARAM_LLONG:
      return std::clamp(static_cast<double>(param.value.l), -kMaxSafe, kMaxSafe);
    case VIR_TYPED_PARAM_ULLONG:
      return std::min(static_cast<double>(param.value.ul), kMaxSafe);
    case VIR_TYPED_PARAM_DOUBLE:
      return param.value.d;
  }
  return std::nan("");
}

void Decode(JobSamples::Sample& sample, const TypedParams& params) {
  std::fill(std::begin(sample.fields), std::end(sample.fields), std::nan(""));
  for (int i = 0; i < params.count; i++) {
    const auto known = SampledKeys().find(params.params[i].field);
    if (known != SampledKeys().end()) sample.fields[known->second] = ToDouble(params.params[i]);
  }
}

JobSamples::Refused RefusedBy(const Connection& connection, bool looking_up) {
  const Failure failure = LastFailure();
  return {failure, looking_up, virConnectIsAlive(connection.ptr) != 1};
}

}  // namespace

std::optional<uint32_t> JobSamples::Begin() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_ || next_ == uuids_.size()) return std::nullopt;
  in_flight_.insert(next_);
  return next_++;
}

void JobSamples::End(Sample sample) {
  std::lock_guard<std::mutex> lock(mutex_);
  in_flight_.erase(sample.index);
  done_.push_back(std::move(sample));
}

JobSamples::Sample JobSamples::Ask(Connection& connection, uint32_t index) {
  Sample sample;
  sample.index = index;
  const std::string& uuid = uuids_[index];
  const virDomainPtr domain = connection.KnownDomain(uuid);
  if (domain == nullptr) {
    sample.refused = RefusedBy(connection, true);
    return sample;
  }
  TypedParams params;
  if (virDomainGetJobStats(domain, &sample.type, &params.params, &params.count, 0) < 0) {
    sample.refused = RefusedBy(connection, false);
    // A domain that arrives has no stats, and is the same domain; otherwise it may have gone.
    if (sample.refused->failure.code != VIR_ERR_OPERATION_UNSUPPORTED) connection.Forget(uuid);
  } else {
    Decode(sample, params);
  }
  virDomainFree(domain);
  return sample;
}

std::optional<Failure> JobSamples::RunLane(Connection& connection) {
  for (;;) {
    if (connection.closing()) return ClosedFailure();
    const std::optional<uint32_t> index = Begin();
    if (!index.has_value()) return std::nullopt;
    Sample sample = Ask(connection, *index);
    sample.at_ns = NowNs();
    if (WorkerPool::Get().frozen()) PauseForever();
    std::optional<Failure> lost;
    if (sample.refused.has_value() && sample.refused->lost) lost = sample.refused->failure;
    End(std::move(sample));
    if (lost.has_value()) return lost;
  }
}

std::vector<JobSamples::Sample> JobSamples::Take() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(done_, {});
}

void JobSamples::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
}

size_t JobSamples::left() {
  std::lock_guard<std::mutex> lock(mutex_);
  return closed_ ? 0 : uuids_.size() - next_;
}

std::vector<uint32_t> JobSamples::InFlight() {
  std::lock_guard<std::mutex> lock(mutex_);
  return {in_flight_.begin(), in_flight_.end()};
}

namespace {

using Box = std::shared_ptr<JobSamples>;

JobSamples& SamplesOf(const Napi::Value& handle) {
  return **handle.As<Napi::External<Box>>().Data();
}

Napi::Value JobSamplesNew(const Info& info) {
  auto* const box = new Box(std::make_shared<JobSamples>(TextsOf(info[0])));
  return Napi::External<Box>::New(info.Env(), box, [](Napi::BasicEnv, Box* gone) { delete gone; });
}

Napi::Value JobSamplesRunLane(const Info& info) {
  return OnConnection<Nothing>(
      info,
      [samples = *info[1].As<Napi::External<Box>>().Data()](
          Connection& connection) -> Outcome<Nothing> {
        std::optional<Failure> lost = samples->RunLane(connection);
        if (lost.has_value()) return *lost;
        return Nothing{};
      },
      ToUndefined);
}

Napi::Value RefusedToJs(Napi::Env env, const JobSamples::Sample& sample) {
  const JobSamples::Refused& refused = *sample.refused;
  Napi::Object object = Napi::Object::New(env);
  object.Set("index", sample.index);
  object.Set("failure", ToJs(env, refused.failure));
  object.Set("lookingUp", refused.looking_up);
  object.Set("lost", refused.lost);
  return object;
}

// One row of numbers for each answer, so that JavaScript is called once and not for each field.
Napi::Value JobSamplesTake(const Info& info) {
  const Napi::Env env = info.Env();
  const std::vector<JobSamples::Sample> samples = SamplesOf(info[0]).Take();
  const size_t answers = std::count_if(samples.begin(), samples.end(),
                                       [](const auto& each) { return !each.refused.has_value(); });
  Napi::Float64Array rows = Napi::Float64Array::New(env, answers * kRow);
  Napi::Array refused = Napi::Array::New(env);
  const int64_t now_ns = NowNs();
  double* row = rows.Data();
  for (const JobSamples::Sample& sample : samples) {
    if (sample.refused.has_value()) {
      refused.Set(refused.Length(), RefusedToJs(env, sample));
      continue;
    }
    row[0] = sample.index;
    row[1] = static_cast<double>(now_ns - sample.at_ns) / 1e6;
    row[2] = sample.type;
    std::copy(std::begin(sample.fields), std::end(sample.fields), row + kBeforeFields);
    row += kRow;
  }
  Napi::Object taken = Napi::Object::New(env);
  taken.Set("rows", rows);
  taken.Set("refused", refused);
  return taken;
}

Napi::Value JobSamplesClose(const Info& info) {
  SamplesOf(info[0]).Close();
  return info.Env().Undefined();
}

Napi::Value JobSamplesLeft(const Info& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(SamplesOf(info[0]).left()));
}

Napi::Value JobSamplesInFlight(const Info& info) {
  const std::vector<uint32_t> indices = SamplesOf(info[0]).InFlight();
  Napi::Array list = Napi::Array::New(info.Env(), indices.size());
  for (uint32_t i = 0; i < indices.size(); i++) list.Set(i, indices[i]);
  return list;
}

}  // namespace

void ExportJobSamples(Napi::Env, Napi::Object exports) {
  Export(exports, "jobSamplesNew", JobSamplesNew);
  Export(exports, "jobSamplesRunLane", JobSamplesRunLane);
  Export(exports, "jobSamplesTake", JobSamplesTake);
  Export(exports, "jobSamplesClose", JobSamplesClose);
  Export(exports, "jobSamplesLeft", JobSamplesLeft);
  Export(exports, "jobSamplesInFlight", JobSamplesInFlight);
}

}  // namespace vdsm
