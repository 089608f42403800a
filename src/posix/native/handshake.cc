// Certificate verification during the TLS handshake.
//
// Node completes every handshake and checks the verdict afterwards, so a peer whose certificate is
// rejected sees a closed connection and no alert. OpenSSL itself would end the handshake with an
// alert. A verify callback on the context (SSL_CTX_set_cert_verify_callback) restores that. Node
// does not expose its contexts, so each is caught as OpenSSL creates it, through the callback for
// application data (CRYPTO_get_ex_new_index).
//
// The same callback can make a TLS 1.3 server send one session ticket instead of two, for which
// Node has no option. A client that reads one record per turn falls one behind after two tickets
// and sees an answer only when its timer gives it another turn (vdsm-jsonrpc-java: 1 s at each
// reconnect).
//
// Node exports its OpenSSL symbols to addons. They are looked up on first use, so a Node without
// them only loses the alerts. Nothing becomes laxer: Node's own check still runs.
#include "handshake.h"

#include <dlfcn.h>

#include <string>
#include <vector>

struct SSL;
struct SSL_CTX;
struct X509;
struct X509_STORE_CTX;

namespace vdsm {
namespace {

// Since OpenSSL 1.1. Source: openssl/crypto.h, CRYPTO_EX_INDEX_SSL_CTX.
constexpr int kExIndexSslCtx = 1;
// Per session; OpenSSL's default is 2.
constexpr size_t kTickets = 1;

using ExNew = void(void* parent, void* ptr, void* ex_data, int index, long argl, void* argp);
using VerifyCallback = int(int ok, X509_STORE_CTX* store);
using CertVerifyCallback = int(X509_STORE_CTX* store, void* arg);

struct OpenSsl {
  int (*CRYPTO_get_ex_new_index)(int, long, void*, ExNew*, void*, void*);
  void (*SSL_CTX_set_cert_verify_callback)(SSL_CTX*, CertVerifyCallback*, void*);
  int (*X509_verify_cert)(X509_STORE_CTX*);
  void (*X509_STORE_CTX_set_verify_cb)(X509_STORE_CTX*, VerifyCallback*);
  int (*X509_STORE_CTX_get_error)(const X509_STORE_CTX*);
  X509* (*X509_STORE_CTX_get0_cert)(const X509_STORE_CTX*);
  void* (*X509_STORE_CTX_get_ex_data)(const X509_STORE_CTX*, int);
  int (*SSL_get_ex_data_X509_STORE_CTX_idx)();
  int (*SSL_set_num_tickets)(SSL*, size_t);
  int (*i2d_X509)(const X509*, unsigned char**);
  const char* (*X509_verify_cert_error_string)(long);
};

struct Refusal {
  int code;
  std::string text;
  std::vector<unsigned char> certificate;
};

// Written once, before the first context is caught.
OpenSsl openssl;
// Each JavaScript thread makes its own contexts and handshakes.
thread_local bool catching = false;
thread_local bool refused = false;
thread_local Refusal refusal;

int Verdict(int ok, X509_STORE_CTX*) { return ok; }

int Verify(X509_STORE_CTX* store, void*) {
  void* ssl = openssl.X509_STORE_CTX_get_ex_data(store, openssl.SSL_get_ex_data_X509_STORE_CTX_idx());
  // No effect on a client.
  if (ssl != nullptr) openssl.SSL_set_num_tickets(static_cast<SSL*>(ssl), kTickets);
  // Replaces Node's callback, which accepts everything.
  openssl.X509_STORE_CTX_set_verify_cb(store, Verdict);
  const int ok = openssl.X509_verify_cert(store);
  if (ok > 0) return ok;
  refused = true;
  refusal.code = openssl.X509_STORE_CTX_get_error(store);
  refusal.text = openssl.X509_verify_cert_error_string(refusal.code);
  refusal.certificate.clear();
  const X509* certificate = openssl.X509_STORE_CTX_get0_cert(store);
  const int size = certificate == nullptr ? 0 : openssl.i2d_X509(certificate, nullptr);
  if (size > 0) {
    refusal.certificate.resize(size);
    unsigned char* into = refusal.certificate.data();
    openssl.i2d_X509(certificate, &into);
  }
  return ok;
}

void Catch(void* context, void*, void*, int, long, void*) {
  if (catching) {
    openssl.SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(context), Verify, nullptr);
  }
}

template <typename Function>
bool Find(const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
  return function != nullptr;
}

bool Prepare() {
  return Find("CRYPTO_get_ex_new_index", openssl.CRYPTO_get_ex_new_index) &&
         Find("SSL_CTX_set_cert_verify_callback", openssl.SSL_CTX_set_cert_verify_callback) &&
         Find("X509_verify_cert", openssl.X509_verify_cert) &&
         Find("X509_STORE_CTX_set_verify_cb", openssl.X509_STORE_CTX_set_verify_cb) &&
         Find("X509_STORE_CTX_get_error", openssl.X509_STORE_CTX_get_error) &&
         Find("X509_STORE_CTX_get0_cert", openssl.X509_STORE_CTX_get0_cert) &&
         Find("X509_STORE_CTX_get_ex_data", openssl.X509_STORE_CTX_get_ex_data) &&
         Find("SSL_get_ex_data_X509_STORE_CTX_idx", openssl.SSL_get_ex_data_X509_STORE_CTX_idx) &&
         Find("SSL_set_num_tickets", openssl.SSL_set_num_tickets) &&
         Find("i2d_X509", openssl.i2d_X509) &&
         Find("X509_verify_cert_error_string", openssl.X509_verify_cert_error_string) &&
         openssl.CRYPTO_get_ex_new_index(kExIndexSslCtx, 0, nullptr, Catch, nullptr, nullptr) >= 0;
}

}  // namespace

Napi::Value VerifyInHandshake(const Napi::CallbackInfo& info) {
  static const bool possible = Prepare();
  catching = possible && info[0].As<Napi::Boolean>().Value();
  return Napi::Boolean::New(info.Env(), possible);
}

Napi::Value TakeRefusal(const Napi::CallbackInfo& info) {
  if (!refused) return info.Env().Null();
  refused = false;
  const std::vector<unsigned char>& bytes = refusal.certificate;
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("code", refusal.code);
  result.Set("text", refusal.text);
  result.Set("certificate",
             Napi::Buffer<unsigned char>::Copy(info.Env(), bytes.data(), bytes.size()));
  return result;
}

}  // namespace vdsm
