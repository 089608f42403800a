// What JavaScript holds of libvirt, and who lets go of it when.
//
// Connection and Domain own one libvirt reference each and are shared: a call in flight holds its
// own share, so closing or garbage collection never takes anything away from a running call. The
// boxes are what JavaScript's handles point to; they belong to the JavaScript thread. Closing a
// connection empties its box and those of its domains; a call on an empty box is refused.
#pragma once

#include <libvirt/libvirt.h>
#include <napi.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace vdsm {

// An open virConnectPtr with what was registered on it. Closing can be a call to the daemon, hence
// never happens on the JavaScript thread.
class Connection {
 public:
  explicit Connection(virConnectPtr open) : ptr(open) {}
  // By the last owner, on whatever thread: hands the closing to the pool.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Takes the event callbacks off (each holds a reference of libvirt's own), accepts no more, and
  // closes if this share is the last one; else whoever lets go last does.
  static void Close(std::shared_ptr<Connection> connection);

  // Callbacks of domain events by libvirt's number. False: it is closing, nothing was kept.
  bool KeepCallback(int id);
  // False: it is not, or not any more, registered.
  bool DropCallback(int id);

  const virConnectPtr ptr;

 private:
  static void UnhookAndClose(virConnectPtr ptr, const std::vector<int>& callbacks);
  std::vector<int> TakeCallbacks();

  std::mutex mutex_;
  bool closing_ = false;
  bool closed_ = false;
  std::vector<int> callbacks_;
};

// A virDomainPtr. Freeing it is never a call: its connection outlives it.
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

// The id that the pointer holds; none while the domain does not run. No call.
std::optional<unsigned int> IdOf(virDomainPtr domain);
Napi::Value IdToJs(Napi::Env env, std::optional<unsigned int> id);

Napi::Value NewConnectionHandle(Napi::Env env, std::shared_ptr<Connection> connection);
// {handle, uuid, name}. If the connection was closed meanwhile the handle is a closed one.
Napi::Value NewDomain(Napi::Env env, const std::shared_ptr<ConnectionState>& state,
                      std::shared_ptr<Domain> domain);

ConnectionBox& ConnectionOf(const Napi::Value& handle);
DomainBox& DomainOf(const Napi::Value& handle);

// Empties the boxes; returns the connection, nullptr if it was closed before.
std::shared_ptr<Connection> TakeForClose(ConnectionBox& box);

}  // namespace vdsm
