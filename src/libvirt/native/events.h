// libvirt's event loop on a thread of its own, and the callbacks that carry its events to the
// JavaScript thread by the number of their subscription.
#pragma once

#include <libvirt/libvirt.h>

#include <cstdint>
#include <memory>
#include <string>

#include "call.h"
#include "handles.h"

namespace vdsm {

// Registers libvirt's own event loop and starts its thread, at the first call; must precede the
// first virConnectOpen of the process. False: there is no thread to be had.
bool EnsureEventLoop();

// The loss of the connection goes to the subscription. On a thread of the pool.
bool WatchClose(virConnectPtr connection, std::shared_ptr<Environment> environment,
                uint32_t subscription);
void UnwatchClose(virConnectPtr connection);

enum class EventKind { kLifecycle, kJobCompleted, kMigrationIteration };

// Registers for every domain; resolves with libvirt's number of the callback. On the pool.
Outcome<int> RegisterEvent(Connection& connection, EventKind kind,
                           std::shared_ptr<Environment> environment, uint32_t subscription);
Outcome<Nothing> DeregisterEvent(Connection& connection, int callback);

}  // namespace vdsm
