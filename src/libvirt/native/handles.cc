// See handles.h.
#include "handles.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "events.h"
#include "worker-pool.h"

namespace vdsm {

namespace {

// Garbage collection can release many connections at once. They are closed a few at a time: closing
// can block, and they are not worth a thread each.
class Abandoned {
 public:
  static constexpr size_t kClosersMax = 4;

  static Abandoned& Get() {
    static Abandoned* const abandoned = new Abandoned();  // Never deleted, like the pool.
    return *abandoned;
  }

  void Close(std::function<void()> close) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      waiting_.push_back(std::move(close));
      if (closers_ == kClosersMax) return;
      closers_ += 1;
    }
    if (WorkerPool::Get().Submit([this] { RunCloser(); })) return;
    // No thread is available: they wait until the next connection is abandoned.
    std::lock_guard<std::mutex> lock(mutex_);
    closers_ -= 1;
  }

 private:
  void RunCloser() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!waiting_.empty()) {
      const std::function<void()> close = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      close();
      lock.lock();
    }
    closers_ -= 1;
  }

  std::mutex mutex_;
  std::deque<std::function<void()>> waiting_;
  size_t closers_ = 0;
};

}  // namespace

Connection::~Connection() {
  if (closed_) return;
  ForgetAll();
  Abandoned::Get().Close([open = ptr, callbacks = TakeCallbacks()] {
    UnhookAndClose(open, callbacks);
  });
}

void Connection::UnhookAndClose(virConnectPtr ptr, const std::vector<int>& callbacks) {
  for (const int id : callbacks) virConnectDomainEventDeregisterAny(ptr, id);
  UnwatchClose(ptr);
  virConnectClose(ptr);
}

std::vector<int> Connection::TakeCallbacks() {
  std::lock_guard<std::mutex> lock(mutex_);
  closing_ = true;
  return std::exchange(callbacks_, {});
}

void Connection::Close(std::shared_ptr<Connection> connection) {
  const std::vector<int> callbacks = connection->TakeCallbacks();
  connection->ForgetAll();
  // The boxes are empty, so no new share can be taken: a count of 1 cannot grow.
  if (connection.use_count() == 1) {
    connection->closed_ = true;
    UnhookAndClose(connection->ptr, callbacks);
    return;
  }
  for (const int id : callbacks) virConnectDomainEventDeregisterAny(connection->ptr, id);
}

bool Connection::KeepCallback(int id) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closing_) return false;
  callbacks_.push_back(id);
  return true;
}

bool Connection::DropCallback(int id) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find(callbacks_.begin(), callbacks_.end(), id);
  if (found == callbacks_.end()) return false;
  callbacks_.erase(found);
  return true;
}

virDomainPtr Connection::KnownDomain(const std::string& uuid) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto known = known_domains_.find(uuid);
    if (known != known_domains_.end()) {
      virDomainRef(known->second);
      return known->second;
    }
  }
  const virDomainPtr found = virDomainLookupByUUIDString(ptr, uuid.c_str());
  if (found == nullptr) return nullptr;
  std::lock_guard<std::mutex> lock(mutex_);
  if (closing_) return found;
  if (known_domains_.size() >= kKnownDomainsMax) DropKnownDomains();
  if (known_domains_.emplace(uuid, found).second) virDomainRef(found);
  return found;
}

void Connection::Forget(const std::string& uuid) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto known = known_domains_.find(uuid);
  if (known == known_domains_.end()) return;
  virDomainFree(known->second);
  known_domains_.erase(known);
}

void Connection::ForgetAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  DropKnownDomains();
}

void Connection::DropKnownDomains() {
  for (const auto& [uuid, domain] : known_domains_) virDomainFree(domain);
  known_domains_.clear();
}

bool Connection::closing() {
  std::lock_guard<std::mutex> lock(mutex_);
  return closing_;
}

std::optional<unsigned int> IdOf(virDomainPtr domain) {
  const unsigned int id = virDomainGetID(domain);
  if (id == static_cast<unsigned int>(-1)) return std::nullopt;
  return id;
}

Napi::Value IdToJs(Napi::Env env, std::optional<unsigned int> id) {
  if (!id.has_value()) return env.Null();
  return Napi::Number::New(env, *id);
}

Napi::Value NewConnectionHandle(Napi::Env env, std::shared_ptr<Connection> connection) {
  auto state = std::make_shared<ConnectionState>();
  state->connection = std::move(connection);
  return Napi::External<ConnectionBox>::New(
      env, new ConnectionBox{std::move(state)},
      // Domains that are still held keep the connection open through their share of the state.
      [](Napi::BasicEnv, ConnectionBox* box) { delete box; });
}

Napi::Value NewDomain(Napi::Env env, const std::shared_ptr<ConnectionState>& state,
                      std::shared_ptr<Domain> domain) {
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  virDomainGetUUIDString(domain->ptr, uuid);
  const char* const name = virDomainGetName(domain->ptr);
  Napi::Object found = Napi::Object::New(env);
  found.Set("uuid", uuid);
  found.Set("name", name == nullptr ? "" : name);

  auto* const box = new DomainBox{state, nullptr, IdOf(domain->ptr)};
  if (state->connection != nullptr) {
    box->domain = std::move(domain);
    state->domains.insert(box);
  }
  found.Set("handle", Napi::External<DomainBox>::New(env, box, [](Napi::BasicEnv, DomainBox* gone) {
              gone->state->domains.erase(gone);
              delete gone;
            }));
  return found;
}

ConnectionBox& ConnectionOf(const Napi::Value& handle) {
  return *handle.As<Napi::External<ConnectionBox>>().Data();
}

DomainBox& DomainOf(const Napi::Value& handle) {
  return *handle.As<Napi::External<DomainBox>>().Data();
}

std::shared_ptr<Connection> TakeForClose(ConnectionBox& box) {
  for (DomainBox* const domain : box.state->domains) {
    if (domain->domain != nullptr) domain->last_id = IdOf(domain->domain->ptr);
    domain->domain = nullptr;
  }
  box.state->domains.clear();
  return std::exchange(box.state->connection, nullptr);
}

}  // namespace vdsm
