/**
 * The files that turn a folder into a libvirt host: libvirtd's and QEMU's configuration, and the
 * names of all hosts. libvirt's own comments say what each key does; comments here say why it is
 * set.
 *
 * Source: `/usr/share/doc/libvirt-daemon-system`, libvirtd.conf and qemu.conf of libvirt 9.0.
 */
import { randomUUID } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { HostCoordinates, LabOptions } from "./api.ts";
import { authorityOf, certifyHost } from "./pki.ts";

/** The guest's kernel on a host; not in the checkout, which libvirt-qemu may not access. */
export const GUEST_KERNEL_PATH = "/var/lib/libvirt/lab-guest.elf";

export type HostPlan = Omit<HostCoordinates, "initPid">;

/** Names and addresses of host number `index`; the addresses exist only inside the lab. */
export function planHost(labFolder: string, index: number, options: LabOptions): HostPlan {
  const name = `host-${"abcdefgh".charAt(index)}`;
  const root = options.roots?.[index] ?? null;
  return {
    name,
    folder: path.join(labFolder, name),
    hostUuid: randomUUID(),
    controlAddress: `10.231.1.${index + 1}`,
    migrationAddress: `10.231.2.${index + 1}`,
    tls: options.tls === true,
    root,
    nodePath: root?.nodePath ?? process.execPath,
  };
}

function libvirtdConf(host: HostPlan): string {
  return [
    `listen_tls = ${host.tls ? 1 : 0}`,
    `listen_tcp = ${host.tls ? 0 : 1}`,
    'auth_tcp = "none"',
    'auth_unix_rw = "none"',
    'unix_sock_group = "root"',
    // libvirt refuses to migrate between hosts with the same UUID, and the default is the
    // machine's.
    `host_uuid = "${host.hostUuid}"`,
    'log_outputs = "3:file:/var/log/libvirt/libvirtd.log"',
    "",
  ].join("\n");
}

function qemuConf(host: HostPlan, options: LabOptions): string {
  const user = options.qemuUser ?? "root";
  const group = user === "root" ? "root" : "kvm";
  return [
    'security_driver = "none"',
    `user = "${user}"`,
    `group = "${group}"`,
    // The lab must not change the machine's cgroups, devices or extended attributes.
    "cgroup_controllers = []",
    "namespaces = []",
    "remember_owner = 0",
    // Otherwise libvirtd would need virtlogd.
    'stdio_handler = "file"',
    `migration_host = "${host.controlAddress}"`,
    ...(host.tls
      ? ['migrate_tls_x509_cert_dir = "/etc/pki/qemu"', "migrate_tls_x509_verify = 1"]
      : []),
    "",
  ].join("\n");
}

function hostsFile(hosts: readonly HostPlan[]): string {
  const lines = hosts.flatMap((host) => [
    `${host.controlAddress} ${host.name}`,
    `${host.migrationAddress} ${host.name}-migration`,
  ]);
  return ["127.0.0.1 localhost", ...lines, ""].join("\n");
}

/** Fills the host's folder before its init mounts the parts over the system's own. */
export function writeHostFolder(
  host: HostPlan,
  hosts: readonly HostPlan[],
  guestKernel: string,
  options: LabOptions,
): void {
  const etc = path.join(host.folder, "etc/libvirt");
  mkdirSync(etc, { recursive: true });
  writeFileSync(path.join(etc, "libvirtd.conf"), libvirtdConf(host));
  writeFileSync(path.join(etc, "qemu.conf"), qemuConf(host, options));
  writeFileSync(path.join(host.folder, "etc/hosts"), hostsFile(hosts));
  // libvirtd creates it too, but only when the domain whose serial file is there starts.
  mkdirSync(path.join(host.folder, "var/log/libvirt/qemu"), { recursive: true });
  if (host.tls) certifyHost(authorityOf(host), host);
  const kernel = path.join(host.folder, GUEST_KERNEL_PATH);
  mkdirSync(path.dirname(kernel), { recursive: true });
  copyFileSync(guestKernel, kernel);
}
