{
  "targets": [
    {
      "target_name": "node_posix",
      "sources": ["native/addon.cc", "native/handshake.cc"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS"],
      "cflags": ["-Wall", "-Wextra", "-Wno-unused-parameter"],
      "cflags_cc": ["-std=c++17"],
      # OpenSSL keeps pointers to this library's callbacks for as long as the process lives.
      "ldflags": ["-Wl,-z,nodelete"]
    }
  ]
}
