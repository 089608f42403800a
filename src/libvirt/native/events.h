// The callbacks that carry libvirt's events to the JavaScript thread, identified by subscription
// number.
#pragma once

#include <libvirt/libvirt.h>

#include <cstdint>
#include <memory>
#include <string>

#include "call.h"
#include "handles.h"

namespace vdsm {

// On the first call, starts the event loop (event-loop.h); must precede the first virConnectOpen of
// the process. False if the system refuses.
bool EnsureEventLoop();

// Reports the loss of the connection to the subscription. Runs on a pool thread.
bool WatchClose(virConnectPtr connection, std::shared_ptr<Environment> environment,
                uint32_t subscription);
void UnwatchClose(virConnectPtr connection);

enum class EventKind { kLifecycle, kJobCompleted, kMigrationIteration };

// Registers for all domains; returns libvirt's callback number. Runs on a pool thread.
Outcome<int> RegisterEvent(Connection& connection, EventKind kind,
                           std::shared_ptr<Environment> environment, uint32_t subscription);
Outcome<Nothing> DeregisterEvent(Connection& connection, int callback);

}  // namespace vdsm
