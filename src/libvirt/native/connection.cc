// Calls on a connection, one to one. Names and argument order follow abi.ts.
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <unordered_set>
#include <vector>

#include "calls.h"
#include "events.h"

namespace vdsm {
namespace {

using Info = Napi::CallbackInfo;

struct Opened {
  std::shared_ptr<Connection> connection;
  std::string uri;
};

Outcome<Opened> Open(const std::string& uri, bool read_only,
                     std::shared_ptr<Environment> environment, uint32_t close_subscription) {
  if (!EnsureEventLoop()) return NoThreadFailure();
  const virConnectPtr open =
      read_only ? virConnectOpenReadOnly(uri.c_str()) : virConnectOpen(uri.c_str());
  if (open == nullptr) return LastFailure();
  auto connection = std::make_shared<Connection>(open);
  if (!WatchClose(open, std::move(environment), close_subscription)) return LastFailure();
  Outcome<std::string> full = Text(virConnectGetURI(open));
  if (const Failure* const failure = std::get_if<Failure>(&full)) return *failure;
  return Opened{connection, std::get<std::string>(full)};
}

Napi::Value ConnectOpen(const Info& info) {
  const bool read_only = info[1].As<Napi::Boolean>();
  return Start<Opened>(
      info.Env(),
      [uri = TextOf(info[0]), read_only, environment = Environment::Of(info.Env()),
       subscription = UIntOf(info[2])] { return Open(uri, read_only, environment, subscription); },
      [](Napi::Env env, Opened& opened) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result.Set("handle", NewConnectionHandle(env, std::move(opened.connection)));
        result.Set("uri", opened.uri);
        return result;
      });
}

Napi::Value ConnectClose(const Info& info) {
  auto connection = TakeForClose(ConnectionOf(info[0]));
  if (connection == nullptr) {
    const auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Resolve(info.Env().Undefined());
    return deferred.Promise();
  }
  // This work is stored once and run once, so it can give its share of the connection away.
  return Start<Nothing>(
      info.Env(),
      [connection = std::move(connection)]() mutable -> Outcome<Nothing> {
        Connection::Close(std::move(connection));
        return Nothing{};
      },
      ToUndefined);
}

Napi::Value ConnectIsAlive(const Info& info) {
  return OnConnection<bool>(
      info, [](Connection& c) { return YesOrNo(virConnectIsAlive(c.ptr)); }, ToBoolean);
}

Napi::Value ConnectSetKeepAlive(const Info& info) {
  const int interval = info[1].As<Napi::Number>().Int32Value();
  return OnConnection<bool>(
      info,
      [interval, count = UIntOf(info[2])](Connection& c) -> Outcome<bool> {
        const int result = virConnectSetKeepAlive(c.ptr, interval, count);
        if (result < 0) return LastFailure();
        return result == 0;  // 1: the remote does not support it.
      },
      ToBoolean);
}

Napi::Value ConnectGetHostname(const Info& info) {
  return OnConnection<std::string>(
      info, [](Connection& c) { return Text(virConnectGetHostname(c.ptr)); }, ToString);
}

Napi::Value ConnectGetCapabilities(const Info& info) {
  return OnConnection<std::string>(
      info, [](Connection& c) { return Text(virConnectGetCapabilities(c.ptr)); }, ToString);
}

// Returns virCPUCompareResult; -1 is a failure.
Outcome<int> Compared(int result) {
  if (result < 0) return LastFailure();
  return result;
}

Napi::Value ToNumber(Napi::Env env, int& value) { return Napi::Number::New(env, value); }

Napi::Value ConnectCompareCpu(const Info& info) {
  return OnConnection<int>(
      info,
      [xml = TextOf(info[1]), flags = UIntOf(info[2])](Connection& c) {
        return Compared(virConnectCompareCPU(c.ptr, xml.c_str(), flags));
      },
      ToNumber);
}

Napi::Value ConnectCompareHypervisorCpu(const Info& info) {
  return OnConnection<int>(
      info,
      [emulator = OptionalText(info[1]), arch = OptionalText(info[2]),
       machine = OptionalText(info[3]), virttype = OptionalText(info[4]), xml = TextOf(info[5]),
       flags = UIntOf(info[6])](Connection& c) {
        return Compared(virConnectCompareHypervisorCPU(c.ptr, emulator.get(), arch.get(),
                                                       machine.get(), virttype.get(),
                                                       xml.c_str(), flags));
      },
      ToNumber);
}

Napi::Value Version(const Info& info, int (*get)(virConnectPtr, unsigned long*)) {
  return OnConnection<unsigned long>(
      info,
      [get](Connection& c) -> Outcome<unsigned long> {
        unsigned long version = 0;
        if (get(c.ptr, &version) < 0) return LastFailure();
        return version;
      },
      [](Napi::Env env, unsigned long& version) { return UInt64ToJs(env, version); });
}

Napi::Value ConnectGetVersion(const Info& info) { return Version(info, &virConnectGetVersion); }
Napi::Value ConnectGetLibVersion(const Info& info) {
  return Version(info, &virConnectGetLibVersion);
}

// Domains on their way to JavaScript.
using Found = std::vector<std::shared_ptr<Domain>>;

Napi::Value Domains(const Info& info, bool as_list,
                    std::function<Outcome<std::vector<virDomainPtr>>(virConnectPtr)> find) {
  const std::shared_ptr<ConnectionState> state = ConnectionOf(info[0]).state;
  const std::shared_ptr<Connection> connection = state->connection;
  if (connection == nullptr) return Rejected(info.Env(), ClosedFailure());
  return Start<Found>(
      info.Env(),
      [connection, find = std::move(find)]() -> Outcome<Found> {
        auto outcome = find(connection->ptr);
        if (const Failure* const failure = std::get_if<Failure>(&outcome)) return *failure;
        Found found;
        for (const virDomainPtr domain : std::get<0>(outcome)) {
          found.push_back(std::make_shared<Domain>(connection, domain));
        }
        return found;
      },
      [state, as_list](Napi::Env env, Found& found) -> Napi::Value {
        if (!as_list) return NewDomain(env, state, std::move(found.front()));
        Napi::Array list = Napi::Array::New(env, found.size());
        for (uint32_t i = 0; i < found.size(); i++) {
          list.Set(i, NewDomain(env, state, std::move(found[i])));
        }
        return list;
      });
}

// One domain; NULL is a failure.
Outcome<std::vector<virDomainPtr>> One(virDomainPtr domain) {
  if (domain == nullptr) return LastFailure();
  return std::vector<virDomainPtr>{domain};
}

Napi::Value ConnectListAllDomains(const Info& info) {
  const auto list = [flags = UIntOf(info[1])](
                        virConnectPtr connection) -> Outcome<std::vector<virDomainPtr>> {
    virDomainPtr* domains = nullptr;
    const int count = virConnectListAllDomains(connection, &domains, flags);
    if (count < 0) return LastFailure();
    std::vector<virDomainPtr> found(domains, domains + count);
    std::free(domains);
    return found;
  };
  return Domains(info, true, list);
}

// A list of domains for as long as this exists.
class Listed {
 public:
  Listed(virConnectPtr connection, unsigned int flags)
      : count_(virConnectListAllDomains(connection, &domains_, flags)) {}
  ~Listed() {
    for (int i = 0; i < count_; i++) virDomainFree(domains_[i]);
    std::free(domains_);
  }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;

  bool failed() const { return count_ < 0; }
  size_t size() const { return count_; }
  virDomainPtr operator[](size_t i) const { return domains_[i]; }

 private:
  virDomainPtr* domains_ = nullptr;
  const int count_;
};

std::string UuidOf(virDomainPtr domain) {
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  virDomainGetUUIDString(domain, uuid);
  return uuid;
}

struct Active {
  std::string uuid;
  std::string name;
  bool running;
};

// In two calls: which of the active ones are not running.
Napi::Value ConnectListActive(const Info& info) {
  return OnConnection<std::vector<Active>>(
      info,
      [](Connection& c) -> Outcome<std::vector<Active>> {
        const Listed all(c.ptr, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
        if (all.failed()) return LastFailure();
        const Listed others(c.ptr, VIR_CONNECT_LIST_DOMAINS_ACTIVE |
                                       VIR_CONNECT_LIST_DOMAINS_PAUSED |
                                       VIR_CONNECT_LIST_DOMAINS_OTHER);
        if (others.failed()) return LastFailure();
        std::unordered_set<std::string> not_running;
        for (size_t i = 0; i < others.size(); i++) not_running.insert(UuidOf(others[i]));
        std::vector<Active> active;
        for (size_t i = 0; i < all.size(); i++) {
          std::string uuid = UuidOf(all[i]);
          const bool running = not_running.count(uuid) == 0;
          active.push_back({std::move(uuid), virDomainGetName(all[i]), running});
        }
        return active;
      },
      [](Napi::Env env, std::vector<Active>& active) -> Napi::Value {
        Napi::Array list = Napi::Array::New(env, active.size());
        for (uint32_t i = 0; i < active.size(); i++) {
          Napi::Object domain = Napi::Object::New(env);
          domain.Set("uuid", active[i].uuid);
          domain.Set("name", active[i].name);
          domain.Set("running", active[i].running);
          list.Set(i, domain);
        }
        return list;
      });
}

struct State {
  bool known = false;
  int state = 0;
  int reason = 0;
};

State StateOf(Connection& connection, const std::string& uuid) {
  State found;
  const virDomainPtr domain = connection.KnownDomain(uuid);
  if (domain == nullptr) return found;
  found.known = virDomainGetState(domain, &found.state, &found.reason, 0) == 0;
  virDomainFree(domain);
  if (!found.known) connection.Forget(uuid);
  return found;
}

Napi::Value ConnectGetStates(const Info& info) {
  return OnConnection<std::vector<State>>(
      info,
      [uuids = TextsOf(info[1])](Connection& c) -> Outcome<std::vector<State>> {
        std::vector<State> states;
        for (const std::string& uuid : uuids) {
          if (WorkerPool::Get().frozen()) PauseForever();
          states.push_back(StateOf(c, uuid));
        }
        return states;
      },
      [](Napi::Env env, std::vector<State>& states) -> Napi::Value {
        Napi::Array list = Napi::Array::New(env, states.size());
        for (uint32_t i = 0; i < states.size(); i++) {
          if (!states[i].known) {
            list.Set(i, env.Null());
            continue;
          }
          Napi::Object state = Napi::Object::New(env);
          state.Set("state", states[i].state);
          state.Set("reason", states[i].reason);
          list.Set(i, state);
        }
        return list;
      });
}

Napi::Value ConnectLookupByUuid(const Info& info) {
  return Domains(info, false, [uuid = TextOf(info[1])](virConnectPtr connection) {
    return One(virDomainLookupByUUIDString(connection, uuid.c_str()));
  });
}

Napi::Value ConnectLookupByName(const Info& info) {
  return Domains(info, false, [name = TextOf(info[1])](virConnectPtr connection) {
    return One(virDomainLookupByName(connection, name.c_str()));
  });
}

Napi::Value ConnectDefineXml(const Info& info) {
  return Domains(info, false, [xml = TextOf(info[1]), flags = UIntOf(info[2])](virConnectPtr c) {
    return One(virDomainDefineXMLFlags(c, xml.c_str(), flags));
  });
}

Napi::Value ConnectCreateXml(const Info& info) {
  return Domains(info, false, [xml = TextOf(info[1]), flags = UIntOf(info[2])](virConnectPtr c) {
    return One(virDomainCreateXML(c, xml.c_str(), flags));
  });
}

Napi::Value ConnectRestore(const Info& info) {
  return OnConnection<Nothing>(
      info,
      [path = TextOf(info[1]), xml = OptionalText(info[2]), flags = UIntOf(info[3])](
          Connection& c) {
        return Done(virDomainRestoreFlags(c.ptr, path.c_str(), xml.get(), flags));
      },
      ToUndefined);
}

Napi::Value ConnectRestoreParams(const Info& info) {
  return OnConnection<Nothing>(
      info,
      [params = ParamsOf(info[1]), flags = UIntOf(info[2])](Connection& c) {
        return Done(virDomainRestoreParams(c.ptr, params->params, params->count, flags));
      },
      ToUndefined);
}

EventKind KindOf(const std::string& name) {
  if (name == "lifecycle") return EventKind::kLifecycle;
  if (name == "jobCompleted") return EventKind::kJobCompleted;
  return EventKind::kMigrationIteration;
}

Napi::Value ConnectEventRegister(const Info& info) {
  return OnConnection<int>(
      info,
      [kind = KindOf(TextOf(info[1])), subscription = UIntOf(info[2]),
       environment = Environment::Of(info.Env())](Connection& c) {
        return RegisterEvent(c, kind, environment, subscription);
      },
      [](Napi::Env env, int& id) -> Napi::Value { return Napi::Number::New(env, id); });
}

Napi::Value ConnectEventDeregister(const Info& info) {
  const int callback = info[1].As<Napi::Number>().Int32Value();
  return OnConnection<Nothing>(
      info, [callback](Connection& c) { return DeregisterEvent(c, callback); }, ToUndefined);
}

}  // namespace

void ExportConnection(Napi::Env, Napi::Object exports) {
  Export(exports, "connectOpen", ConnectOpen);
  Export(exports, "connectClose", ConnectClose);
  Export(exports, "connectIsAlive", ConnectIsAlive);
  Export(exports, "connectSetKeepAlive", ConnectSetKeepAlive);
  Export(exports, "connectGetHostname", ConnectGetHostname);
  Export(exports, "connectGetVersion", ConnectGetVersion);
  Export(exports, "connectGetLibVersion", ConnectGetLibVersion);
  Export(exports, "connectGetCapabilities", ConnectGetCapabilities);
  Export(exports, "connectCompareCpu", ConnectCompareCpu);
  Export(exports, "connectCompareHypervisorCpu", ConnectCompareHypervisorCpu);
  Export(exports, "connectListAllDomains", ConnectListAllDomains);
  Export(exports, "connectListActive", ConnectListActive);
  Export(exports, "connectGetStates", ConnectGetStates);
  Export(exports, "connectLookupByUuid", ConnectLookupByUuid);
  Export(exports, "connectLookupByName", ConnectLookupByName);
  Export(exports, "connectDefineXml", ConnectDefineXml);
  Export(exports, "connectCreateXml", ConnectCreateXml);
  Export(exports, "connectRestore", ConnectRestore);
  Export(exports, "connectRestoreParams", ConnectRestoreParams);
  Export(exports, "connectEventRegister", ConnectEventRegister);
  Export(exports, "connectEventDeregister", ConnectEventDeregister);
}

}  // namespace vdsm
