// Certificates that are verified within the TLS handshake.
//
// Node lets every handshake succeed and looks at the verdict afterwards, so the other side of a
// refused certificate sees a connection that ends, and no alert. OpenSSL's own way is to end the
// handshake with one. A verify callback of a context (SSL_CTX_set_cert_verify_callback) brings that
// back; the context is caught where OpenSSL makes it, by the callback that it has for data of the
// application (CRYPTO_get_ex_new_index), since Node shows none.
//
// The same callback is where a TLS 1.3 server can be told to send one session ticket and not two: a
// client that reads one record at a turn is behind by one after two, and takes no answer until its
// clock gives it a turn (vdsm-jsonrpc-java: 1 s at each reconnect). Node has no option for it.
//
// Node exports the symbols of its OpenSSL for addons. They are looked up when they are first needed,
// so that a Node without them only loses the alerts. It makes nothing laxer: Node looks as before.
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
// Of a session; OpenSSL's default is 2.
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
// A JavaScript thread makes its contexts and shakes hands by itself.
thread_local bool catching = false;
thread_local bool refused = false;
thread_local Refusal refusal;

int Verdict(int ok, X509_STORE_CTX*) { return ok; }

int Verify(X509_STORE_CTX* store, void*) {
  void* ssl = openssl.X509_STORE_CTX_get_ex_data(store, openssl.SSL_get_ex_data_X509_STORE_CTX_idx());
  // Without effect on a client.
  if (ssl != nullptr) openssl.SSL_set_num_tickets(static_cast<SSL*>(ssl), kTickets);
  // Instead of Node's, which says yes to everything.
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
