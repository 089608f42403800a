{
  "targets": [
    {
      "target_name": "node_libvirt",
      "sources": [
        "native/addon.cc",
        "native/connection.cc",
        "native/domain.cc",
        "native/domain-job.cc",
        "native/environment.cc",
        "native/errors.cc",
        "native/event-loop.cc",
        "native/events.cc",
        "native/handles.cc",
        "native/job-samples.cc",
        "native/job-stats.cc",
        "native/typed-params.cc",
        "native/worker-pool.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        # While a JavaScript thread is being terminated nothing can be made or thrown in it, and a
        # result that arrives then is not worth the process.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags": ["<!@(pkg-config --cflags libvirt)", "-Wall", "-Wextra", "-Wno-unused-parameter"],
      "cflags_cc": ["-std=c++17"],
      "libraries": ["<!@(pkg-config --libs libvirt)"],
      "ldflags": ["-Wl,-z,nodelete"]
    }
  ]
}
