// libvirt's event loop: file handles over epoll and timers, on one thread.
//
// libvirt turns a connection's handle off before each call on it and on again afterwards. Here that
// is one epoll_ctl each; the default loop, which polls a list of its own, has to be woken for it. The
// thread is woken only if a timer is to run earlier than it would wake by itself, or if something is
// to be freed.
#pragma once

namespace vdsm {

// Registers the loop with libvirt and starts its thread; to be called once, before the process's
// first virConnectOpen. False if the system refuses a thread or a file descriptor.
bool StartEventLoop();

}  // namespace vdsm
