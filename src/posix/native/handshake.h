// Certificates that are verified within the TLS handshake; see handshake.cc.
#pragma once

#include <napi.h>

namespace vdsm {

// (on) -> whether the running Node lets it be done.
Napi::Value VerifyInHandshake(const Napi::CallbackInfo& info);
// () -> {code, text, certificate in DER}, or null; it is forgotten then.
Napi::Value TakeRefusal(const Napi::CallbackInfo& info);

}  // namespace vdsm
