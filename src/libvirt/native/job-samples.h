// Job stats of many domains in one go: a list that several lanes work off together.
//
// A lane is one thread with a connection of its own. It asks domain after domain without going back
// to JavaScript; a domain that does not answer holds up its own lane alone. Results are kept here
// until they are taken, decoded, together with when they came. The domain handles stay with the
// connection (handles.h), so that a domain is looked up once and not for each sample.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "errors.h"
#include "handles.h"

namespace vdsm {

class JobSamples {
 public:
  // The keys that are decoded, in the order of job-samples.ts.
  static constexpr size_t kFields = 15;

  struct Refused {
    Failure failure;
    // The domain was looked up, and that failed.
    bool looking_up;
    // The connection is gone: the domain has not refused anything.
    bool lost;
  };

  struct Sample {
    uint32_t index = 0;
    int64_t at_ns = 0;
    int type = 0;
    double fields[kFields];
    std::optional<Refused> refused;
  };

  explicit JobSamples(std::vector<std::string> uuids) : uuids_(std::move(uuids)) {}

  // Asks until no domain is left, the list is closed or the connection is gone. On a pool thread.
  // A failure is one of the connection.
  std::optional<Failure> RunLane(Connection& connection);

  // What has come since the last time.
  std::vector<Sample> Take();
  // No further domain is asked.
  void Close();
  // Domains whose turn has not come.
  size_t left();
  // Those that have been asked and have not answered.
  std::vector<uint32_t> InFlight();

 private:
  std::optional<uint32_t> Begin();
  void End(Sample sample);
  Sample Ask(Connection& connection, uint32_t index);

  const std::vector<std::string> uuids_;
  std::mutex mutex_;
  uint32_t next_ = 0;
  bool closed_ = false;
  std::set<uint32_t> in_flight_;
  std::vector<Sample> done_;
};

}  // namespace vdsm
