// What JavaScript holds of libvirt, and who releases it when.
//
// Connection and Domain each own one libvirt reference and are shared: a call in flight holds its
// own share, so neither close() nor garbage collection affects a running call. JavaScript's handles
// point to the boxes, which belong to the JavaScript thread. Closing a connection empties its box
// and those of its domains; calls on an empty box are rejected.
#pragma once

#include <libvirt/libvirt.h>
#include <napi.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace vdsm {

// An open virConnectPtr and what was registered on it. Closing may send a request to the daemon, so
// it never happens on the JavaScript thread.
class Connection {
 public:
  explicit Connection(virConnectPtr open) : ptr(open) {}
  // Run by the last owner, on any thread: hands the closing over to the pool.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Deregisters the event callbacks (libvirt holds a reference for each), accepts no new ones, and
  // closes the connection if this is the last share; otherwise the last owner to release it does.
  static void Close(std::shared_ptr<Connection> connection);

  // Domain event callbacks, by libvirt's number. False: the connection is closing; nothing was
  // kept.
  bool KeepCallback(int id);
  // False: it is not registered, or no longer.
  bool DropCallback(int id);

  // The domain, looked up unless its handle is known; a reference that the caller frees. nullptr:
  // the look-up failed, as libvirt's last error says. Sampling alone uses these (job-samples.h).
  virDomainPtr KnownDomain(const std::string& uuid);
  void Forget(const std::string& uuid);

  bool closing();

  const virConnectPtr ptr;

 private:
  // Handles of domains that are gone stay until there are so many; then all are dropped.
  static constexpr size_t kKnownDomainsMax = 2048;

  static void UnhookAndClose(virConnectPtr ptr, const std::vector<int>& callbacks);
  std::vector<int> TakeCallbacks();
  // libvirt keeps a connection open as long as there is a domain of it.
  void ForgetAll();
  // The same, with the mutex held.
  void DropKnownDomains();

  std::mutex mutex_;
  bool closing_ = false;
  bool closed_ = false;
  std::vector<int> callbacks_;
  std::unordered_map<std::string, virDomainPtr> known_domains_;
};

// A virDomainPtr. Freeing it never sends a request, because its connection outlives it.
class Domain {
 public:
  Domain(std::shared_ptr<Connection> of, virDomainPtr found)
      : connection(std::move(of)), ptr(found) {}
  ~Domain() { virDomainFree(ptr); }
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;

  const std::shared_ptr<Connection> connection;
  const virDomainPtr ptr;
};

struct DomainBox;

// JavaScript's side of a connection, shared by its box and those of its domains.
struct ConnectionState {
  std::shared_ptr<Connection> connection;  // nullptr: closed.
  std::unordered_set<DomainBox*> domains;
};

struct ConnectionBox {
  std::shared_ptr<ConnectionState> state;
};

struct DomainBox {
  std::shared_ptr<ConnectionState> state;
  std::shared_ptr<Domain> domain;  // nullptr: closed.
  std::optional<unsigned int> last_id;
};

// The ID stored in the pointer; none while the domain is not running. Sends no request.
std::optional<unsigned int> IdOf(virDomainPtr domain);
Napi::Value IdToJs(Napi::Env env, std::optional<unsigned int> id);

Napi::Value NewConnectionHandle(Napi::Env env, std::shared_ptr<Connection> connection);
// {handle, uuid, name}. If the connection was closed in the meantime the handle is closed too.
Napi::Value NewDomain(Napi::Env env, const std::shared_ptr<ConnectionState>& state,
                      std::shared_ptr<Domain> domain);

ConnectionBox& ConnectionOf(const Napi::Value& handle);
DomainBox& DomainOf(const Napi::Value& handle);

// Empties the boxes; returns the connection, or nullptr if it was already closed.
std::shared_ptr<Connection> TakeForClose(ConnectionBox& box);

}  // namespace vdsm
