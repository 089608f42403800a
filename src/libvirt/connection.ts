/**
 * A connection to a libvirt daemon: opening, closing, its domains, its events. As with domains, each
 * method is one libvirt call on a thread of the addon. A lost connection is not restored: its calls
 * reject, onClose says why, and the caller may open another.
 *
 * Garbage collection closes a connection that is no longer referenced and has no listeners. Calls in
 * flight and event listeners keep the process alive; an open connection alone does not.
 */
import { type ConnectionHandle, native } from "./abi.ts";
import {
  checkFlags,
  checkFunction,
  checkInt32,
  checkOptionalString,
  checkString,
} from "./arguments.ts";
import { ConnectionCloseReason } from "./constants-event.ts";
import { Domain, type DomainStateView, type SaveOptions } from "./domain.ts";
import { settle } from "./errors.ts";
import {
  type DomainEventKind,
  type DomainEvents,
  deliver,
  EventSource,
  subscribe,
  unsubscribe,
} from "./events.ts";
import { handleOf, type JobSamples } from "./job-samples.ts";
import { encodeParams, type SaveParams, saveParams } from "./typed-params.ts";

/** Why the connection closed: an I/O error, end of file, no reply to keepalive, or the client. */
export type CloseReason = "error" | "endOfFile" | "keepalive" | "client";

export interface OpenOptions {
  /** A connection for queries only. Default false. */
  readonly readOnly?: boolean | undefined;
}

export interface ActiveDomain {
  readonly uuid: string;
  readonly name: string;
  /** Neither paused nor in any other state that an active domain may have. */
  readonly running: boolean;
}

/** What runs a guest; the host's default for whatever is left out. */
export interface GuestKind {
  readonly emulator?: string | undefined;
  readonly arch?: string | undefined;
  readonly machine?: string | undefined;
  /** `kvm` or `qemu`: the domain's type. */
  readonly virtType?: string | undefined;
}

const closeReasons: readonly (readonly [number, CloseReason])[] = [
  [ConnectionCloseReason.ERROR, "error"],
  [ConnectionCloseReason.EOF, "endOfFile"],
  [ConnectionCloseReason.KEEPALIVE, "keepalive"],
  [ConnectionCloseReason.CLIENT, "client"],
];

/** State of the close callback, separate from Connection so that it does not keep it alive. */
interface CloseWatch {
  reason: CloseReason | undefined;
  readonly listeners: Set<(reason: CloseReason) => void>;
}

/** Connects. Rejects with LibvirtError if the daemon cannot be reached or refuses. */
export async function open(uri: string, options: OpenOptions = {}): Promise<Connection> {
  const target = checkString("uri", uri);
  const watch: CloseWatch = { reason: undefined, listeners: new Set() };
  const subscription = subscribe("connectionClosed", (event) => noteClosed(watch, event.reason));
  const operation = options.readOnly === true ? "virConnectOpenReadOnly" : "virConnectOpen";
  try {
    const call = native.connectOpen(target, options.readOnly === true, subscription);
    const opened = await settle(operation, call);
    return new Connection(opened.handle, opened.uri, watch, subscription);
  } catch (error) {
    unsubscribe(subscription);
    throw error;
  }
}

function noteClosed(watch: CloseWatch, number: number): void {
  const reason = closeReasons.find(([value]) => value === number)?.[1] ?? "error";
  watch.reason = reason;
  const listeners = [...watch.listeners];
  watch.listeners.clear();
  for (const listener of listeners) deliver(listener, reason);
}

// Subscriptions of connections that were collected without close().
const abandoned = new FinalizationRegistry<number>(unsubscribe);

export class Connection {
  /** The URI as libvirt completed it. */
  readonly uri: string;
  readonly #handle: ConnectionHandle;
  readonly #watch: CloseWatch;
  readonly #closeSubscription: number;
  readonly #events: { readonly [Kind in DomainEventKind]: EventSource<Kind> };
  #closing: Promise<void> | undefined;

  /** Only `open` makes connections. */
  constructor(handle: ConnectionHandle, uri: string, watch: CloseWatch, closeSubscription: number) {
    this.#handle = handle;
    this.uri = uri;
    this.#watch = watch;
    this.#closeSubscription = closeSubscription;
    this.#events = {
      lifecycle: new EventSource(handle, "lifecycle"),
      jobCompleted: new EventSource(handle, "jobCompleted"),
      migrationIteration: new EventSource(handle, "migrationIteration"),
    };
    abandoned.register(this, closeSubscription, this);
  }

  /**
   * From now on every call on it and its domains rejects with INVALID_CONN (6), and listeners are no
   * longer called. Resolves when libvirt has closed it or, if calls are in flight, when nothing else
   * remains; they finish normally, and the last of them closes it. Never rejects; idempotent.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    abandoned.unregister(this);
    unsubscribe(this.#closeSubscription);
    this.#watch.listeners.clear();
    for (const source of Object.values(this.#events)) source.end();
    await native.connectClose(this.#handle);
  }

  /** Whether the socket is open and, with keepalive, libvirtd replies. */
  async isAlive(): Promise<boolean> {
    return settle("virConnectIsAlive", native.connectIsAlive(this.#handle));
  }

  /**
   * Pings after each `intervalSeconds` without traffic, and closes the connection after `count` pings
   * without a reply. An interval of 0 turns it off. Resolves with false if libvirtd does not support it.
   */
  async setKeepAlive(intervalSeconds: number, count: number): Promise<boolean> {
    const interval = checkInt32("intervalSeconds", intervalSeconds, "int");
    const times = checkInt32("count", count, "uint");
    const call = native.connectSetKeepAlive(this.#handle, interval, times);
    return settle("virConnectSetKeepAlive", call);
  }

  /**
   * Calls the listener once when the connection is lost, asynchronously if it already is; never for
   * our own close(). Returns a function that removes the listener.
   */
  onClose(listener: (reason: CloseReason) => void): () => void {
    checkFunction("listener", listener);
    // A new function for each call, so that the same listener may be added twice.
    const own = (reason: CloseReason): void => {
      if (this.#closing === undefined) listener(reason);
    };
    const { reason, listeners } = this.#watch;
    if (reason === undefined) listeners.add(own);
    else queueMicrotask(() => own(reason));
    return () => listeners.delete(own);
  }

  async hostname(): Promise<string> {
    return settle("virConnectGetHostname", native.connectGetHostname(this.#handle));
  }

  /** The hypervisor's version (QEMU's), as major * 1000000 + minor * 1000 + micro. */
  async version(): Promise<number> {
    return settle("virConnectGetVersion", native.connectGetVersion(this.#handle));
  }

  /** The version of libvirtd, encoded likewise. */
  async libVersion(): Promise<number> {
    return settle("virConnectGetLibVersion", native.connectGetLibVersion(this.#handle));
  }

  /** The host's capabilities as XML. */
  async capabilities(): Promise<string> {
    return settle("virConnectGetCapabilities", native.connectGetCapabilities(this.#handle));
  }

  /**
   * Compares a CPU, `<cpu>…</cpu>`, with the host's: see CpuCompareResult. `flags`: see CompareCpuFlag;
   * with FAIL_INCOMPATIBLE it rejects with CPU_INCOMPATIBLE (91) and names what the host lacks.
   */
  async compareCpu(xml: string, flags = 0): Promise<number> {
    const cpu = checkString("xml", xml);
    const call = native.connectCompareCpu(this.#handle, cpu, checkFlags("flags", flags));
    return settle("virConnectCompareCPU", call);
  }

  /** Compares it with what the hypervisor can provide to a guest of that kind. Since libvirt 4.4. */
  async compareHypervisorCpu(xml: string, kind: GuestKind, flags = 0): Promise<number> {
    const call = native.connectCompareHypervisorCpu(
      this.#handle,
      checkOptionalString("emulator", kind.emulator),
      checkOptionalString("arch", kind.arch),
      checkOptionalString("machine", kind.machine),
      checkOptionalString("virtType", kind.virtType),
      checkString("xml", xml),
      checkFlags("flags", flags),
    );
    return settle("virConnectCompareHypervisorCPU", call);
  }

  /** One call for all domains. `flags`: see ListDomainsFlag; 0: all, including inactive ones. */
  async listDomains(flags = 0): Promise<Domain[]> {
    const call = native.connectListAllDomains(this.#handle, checkFlags("flags", flags));
    const found = await settle("virConnectListAllDomains", call);
    return found.map((domain) => new Domain(domain));
  }

  /** The active domains, as plain data, in two calls: cheaper than listDomains. */
  async listActive(): Promise<readonly ActiveDomain[]> {
    return settle("virConnectListAllDomains", native.connectListActive(this.#handle));
  }

  /**
   * States of these domains, one call after the other on one thread; each is looked up once on a
   * connection. null: libvirt refused, for example because there is no such domain.
   */
  async getStates(uuids: readonly string[]): Promise<readonly (DomainStateView | null)[]> {
    const checked = uuids.map((uuid) => checkString("uuid", uuid));
    return settle("virDomainGetState", native.connectGetStates(this.#handle, checked));
  }

  /** Rejects with NO_DOMAIN (42) if there is none. */
  async lookupByUuid(uuid: string): Promise<Domain> {
    const call = native.connectLookupByUuid(this.#handle, checkString("uuid", uuid));
    return new Domain(await settle("virDomainLookupByUUIDString", call));
  }

  /** Rejects with NO_DOMAIN (42) if there is none. */
  async lookupByName(name: string): Promise<Domain> {
    const call = native.connectLookupByName(this.#handle, checkString("name", name));
    return new Domain(await settle("virDomainLookupByName", call));
  }

  /**
   * Runs a lane: asks domains of the list for their job stats, one after the other, until none is left
   * or the list is closed. Any number of connections may do so at a time. Each domain is looked up once
   * on a connection; a refused look-up or call concerns its domain alone. Rejects if the connection is
   * lost or closed.
   */
  async sampleJobs(samples: JobSamples): Promise<void> {
    const call = native.jobSamplesRunLane(this.#handle, handleOf(samples));
    return settle("virDomainGetJobStats", call);
  }

  /** Defines a persistent domain or changes its definition. `flags`: see DefineFlag. */
  async defineXml(xml: string, flags = 0): Promise<Domain> {
    const text = checkString("xml", xml);
    const call = native.connectDefineXml(this.#handle, text, checkFlags("flags", flags));
    return new Domain(await settle("virDomainDefineXMLFlags", call));
  }

  /** Starts a transient domain. `flags`: see CreateFlag. */
  async createXml(xml: string, flags = 0): Promise<Domain> {
    const text = checkString("xml", xml);
    const call = native.connectCreateXml(this.#handle, text, checkFlags("flags", flags));
    return new Domain(await settle("virDomainCreateXML", call));
  }

  /** Restores the guest from a file that save created; the file stays. */
  async restore(path: string, options: SaveOptions = {}): Promise<void> {
    const file = checkString("path", path);
    const xml = checkOptionalString("xml", options.xml);
    const flags = checkFlags("flags", options.flags ?? 0);
    return settle("virDomainRestoreFlags", native.connectRestore(this.#handle, file, xml, flags));
  }

  /** The same with typed parameters. Since libvirt 8.4. `flags`: see SaveRestoreFlag. */
  async restoreParams(params: SaveParams, flags = 0): Promise<void> {
    const encoded = encodeParams("restoreParams", saveParams, params);
    const checked = checkFlags("flags", flags);
    const call = native.connectRestoreParams(this.#handle, encoded, checked);
    return settle("virDomainRestoreParams", call);
  }

  /**
   * Events of one kind for every domain of the connection, from the moment when this resolves. Resolves
   * with a function that stops them: it delivers nothing from its call on, and resolves when libvirt
   * has deregistered the callback. Closing the connection stops them, too.
   */
  async onDomainEvent<Kind extends DomainEventKind>(
    kind: Kind,
    listener: (event: DomainEvents[Kind]) => void,
  ): Promise<() => Promise<void>> {
    if (!Object.hasOwn(this.#events, kind)) {
      const kinds = Object.keys(this.#events).join(", ");
      throw new TypeError(`kind must be one of ${kinds}, not ${String(kind)}`);
    }
    checkFunction("listener", listener);
    return this.#events[kind].listen(listener);
  }
}
