// Certificate verification during the TLS handshake; see handshake.cc.
#pragma once

#include <napi.h>

namespace vdsm {

// (on) -> whether the running Node supports it.
Napi::Value VerifyInHandshake(const Napi::CallbackInfo& info);
// () -> {code, text, certificate in DER}, or null; taking it clears it.
Napi::Value TakeRefusal(const Napi::CallbackInfo& info);

}  // namespace vdsm
