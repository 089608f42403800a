// See events.h.
#include "events.h"

#include <utility>

#include "event-loop.h"
#include "job-stats.h"

namespace vdsm {
namespace {

// What libvirt stores with a callback, until it calls the free function.
struct Subscription {
  std::shared_ptr<Environment> environment;
  uint32_t number;
};

void FreeSubscription(void* opaque) { delete static_cast<Subscription*>(opaque); }

struct EventDomain {
  std::string uuid;
  std::string name;
  std::optional<unsigned int> id;
};

EventDomain Describe(virDomainPtr domain) {
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  virDomainGetUUIDString(domain, uuid);
  const char* const name = virDomainGetName(domain);
  return {uuid, name == nullptr ? "" : name, IdOf(domain)};
}

Napi::Object NewEvent(Napi::Env env, const EventDomain& domain) {
  Napi::Object described = Napi::Object::New(env);
  described.Set("uuid", domain.uuid);
  described.Set("name", domain.name);
  described.Set("id", IdToJs(env, domain.id));
  Napi::Object event = Napi::Object::New(env);
  event.Set("domain", described);
  return event;
}

void OnClosed(virConnectPtr, int reason, void* opaque) {
  auto& subscription = *static_cast<Subscription*>(opaque);
  subscription.environment->PostEvent(subscription.number, [reason](Napi::Env env) -> Napi::Value {
    Napi::Object event = Napi::Object::New(env);
    event.Set("reason", reason);
    return event;
  });
}

int OnLifecycle(virConnectPtr, virDomainPtr domain, int event, int detail, void* opaque) {
  auto& subscription = *static_cast<Subscription*>(opaque);
  subscription.environment->PostEvent(
      subscription.number,
      [described = Describe(domain), event, detail](Napi::Env env) -> Napi::Value {
        Napi::Object object = NewEvent(env, described);
        object.Set("event", event);
        object.Set("detail", detail);
        return object;
      });
  return 0;
}

void OnJobCompleted(virConnectPtr, virDomainPtr domain, virTypedParameterPtr params, int count,
                    void* opaque) {
  auto& subscription = *static_cast<Subscription*>(opaque);
  // The parameters belong to libvirt and are freed when this function returns.
  auto copy = std::make_shared<TypedParams>(TypedParams::Copy(params, count));
  subscription.environment->PostEvent(
      subscription.number, [described = Describe(domain), copy](Napi::Env env) -> Napi::Value {
        Napi::Object stats = Napi::Object::New(env);
        AddJobStats(env, stats, *copy);
        Napi::Object object = NewEvent(env, described);
        object.Set("stats", stats);
        return object;
      });
}

void OnMigrationIteration(virConnectPtr, virDomainPtr domain, int iteration, void* opaque) {
  auto& subscription = *static_cast<Subscription*>(opaque);
  subscription.environment->PostEvent(
      subscription.number, [described = Describe(domain), iteration](Napi::Env env) -> Napi::Value {
        Napi::Object object = NewEvent(env, described);
        object.Set("iteration", iteration);
        return object;
      });
}

struct Callback {
  virDomainEventID id;
  virConnectDomainEventGenericCallback function;
};

Callback CallbackOf(EventKind kind) {
  switch (kind) {
    case EventKind::kLifecycle:
      return {VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(&OnLifecycle)};
    case EventKind::kJobCompleted:
      return {VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, VIR_DOMAIN_EVENT_CALLBACK(&OnJobCompleted)};
    case EventKind::kMigrationIteration:
      break;
  }
  return {VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
          VIR_DOMAIN_EVENT_CALLBACK(&OnMigrationIteration)};
}

}  // namespace

bool EnsureEventLoop() {
  static std::mutex* const mutex = new std::mutex();
  static bool running = false;
  std::lock_guard<std::mutex> lock(*mutex);
  if (running) return true;
  SilenceErrorPrinting();
  running = StartEventLoop();
  return running;
}

bool WatchClose(virConnectPtr connection, std::shared_ptr<Environment> environment,
                uint32_t number) {
  auto* const subscription = new Subscription{std::move(environment), number};
  if (virConnectRegisterCloseCallback(connection, &OnClosed, subscription, &FreeSubscription) == 0) {
    return true;
  }
  delete subscription;  // On failure libvirt does not call the free function.
  return false;
}

void UnwatchClose(virConnectPtr connection) {
  virConnectUnregisterCloseCallback(connection, &OnClosed);
}

Outcome<int> RegisterEvent(Connection& connection, EventKind kind,
                           std::shared_ptr<Environment> environment, uint32_t number) {
  auto* const subscription = new Subscription{std::move(environment), number};
  const Callback callback = CallbackOf(kind);
  const int id = virConnectDomainEventRegisterAny(connection.ptr, nullptr, callback.id,
                                                  callback.function, subscription,
                                                  &FreeSubscription);
  if (id < 0) {
    const Failure failure = LastFailure();
    delete subscription;  // On failure libvirt does not call the free function.
    return failure;
  }
  if (connection.KeepCallback(id)) return id;
  virConnectDomainEventDeregisterAny(connection.ptr, id);
  return ClosedFailure();
}

Outcome<Nothing> DeregisterEvent(Connection& connection, int callback) {
  if (!connection.DropCallback(callback)) return Nothing{};
  if (virConnectDomainEventDeregisterAny(connection.ptr, callback) < 0) return LastFailure();
  return Nothing{};
}

}  // namespace vdsm
