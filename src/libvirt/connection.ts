/**
 * A connection to a libvirt daemon: opening, closing, its domains, its events. As with domains each
 * method is one libvirt call on a thread of the addon. A lost connection is not repaired here: its
 * calls reject, onClose tells why, and who wants another opens one.
 *
 * A connection that is neither closed nor listened to is closed by garbage collection some day.
 * Calls in flight and event listeners keep the process alive; an open connection alone does not.
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
import { Domain, type SaveOptions } from "./domain.ts";
import { settle } from "./errors.ts";
import {
  type DomainEventKind,
  type DomainEvents,
  deliver,
  EventSource,
  subscribe,
  unsubscribe,
} from "./events.ts";
import { encodeParams, type SaveParams, saveParams } from "./typed-params.ts";

/** Why libvirt closed the connection: an I/O error, the peer's end of file, no answer to keepalive. */
export type CloseReason = "error" | "endOfFile" | "keepalive" | "client";

export interface OpenOptions {
  /** A connection that may only look. Default false. */
  readonly readOnly?: boolean | undefined;
}

/** What runs a guest; what is left out is the host's default. */
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

/** What the close callback leaves behind; apart from Connection, so that it does not keep it alive. */
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

// A connection that is collected without close() leaves its subscription here.
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
   * Lets go: from now on every call on it and its domains rejects with INVALID_CONN (6), listeners
   * get nothing more. Resolves when libvirt has closed it, or, if calls are in flight, as soon as
   * all but those is done; they end as if nothing had happened, and the last one closes it. Never
   * rejects; a second close is the first.
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

  /** Whether the socket is open and, with keepalive, the peer answers. */
  async isAlive(): Promise<boolean> {
    return settle("virConnectIsAlive", native.connectIsAlive(this.#handle));
  }

  /**
   * Pings after each `intervalSeconds` of silence and gives the connection up after `count` pings
   * without an answer. An interval of 0 turns it off. Resolves with false if the other side cannot.
   */
  async setKeepAlive(intervalSeconds: number, count: number): Promise<boolean> {
    const interval = checkInt32("intervalSeconds", intervalSeconds, "int");
    const times = checkInt32("count", count, "uint");
    const call = native.connectSetKeepAlive(this.#handle, interval, times);
    return settle("virConnectSetKeepAlive", call);
  }

  /**
   * Calls once when the connection is lost, at once (asynchronously) if it already is; never for a
   * close() of ours. Returns the way to stop listening.
   */
  onClose(listener: (reason: CloseReason) => void): () => void {
    checkFunction("listener", listener);
    // One of its own for each call, so that the same function may be added twice.
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

  /** The version of libvirt on the other side, encoded the same. */
  async libVersion(): Promise<number> {
    return settle("virConnectGetLibVersion", native.connectGetLibVersion(this.#handle));
  }

  /** The host's capabilities as XML. */
  async capabilities(): Promise<string> {
    return settle("virConnectGetCapabilities", native.connectGetCapabilities(this.#handle));
  }

  /**
   * What the host makes of a CPU, `<cpu>…</cpu>`: see CpuCompareResult. `flags`: see CompareCpuFlag; with
   * FAIL_INCOMPATIBLE it rejects with CPU_INCOMPATIBLE (91) and names what the host lacks.
   */
  async compareCpu(xml: string, flags = 0): Promise<number> {
    const cpu = checkString("xml", xml);
    const call = native.connectCompareCpu(this.#handle, cpu, checkFlags("flags", flags));
    return settle("virConnectCompareCPU", call);
  }

  /** The same of what the hypervisor there can give a guest of that kind. Since libvirt 4.4. */
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

  /** One call whatever the number. `flags`: see ListDomainsFlag; 0 is all, inactive included. */
  async listDomains(flags = 0): Promise<Domain[]> {
    const call = native.connectListAllDomains(this.#handle, checkFlags("flags", flags));
    const found = await settle("virConnectListAllDomains", call);
    return found.map((domain) => new Domain(domain));
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

  /** Makes a persistent domain, or changes one. `flags`: see DefineFlag. */
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

  /** Wakes the guest in a file that save made; the file stays. */
  async restore(path: string, options: SaveOptions = {}): Promise<void> {
    const file = checkString("path", path);
    const xml = checkOptionalString("xml", options.xml);
    const flags = checkFlags("flags", options.flags ?? 0);
    return settle("virDomainRestoreFlags", native.connectRestore(this.#handle, file, xml, flags));
  }

  /** The same by parameters. Since libvirt 8.4. `flags`: see SaveRestoreFlag. */
  async restoreParams(params: SaveParams, flags = 0): Promise<void> {
    const encoded = encodeParams("restoreParams", saveParams, params);
    const checked = checkFlags("flags", flags);
    const call = native.connectRestoreParams(this.#handle, encoded, checked);
    return settle("virDomainRestoreParams", call);
  }

  /**
   * Events of one kind for every domain of the connection, from the time this resolves. Resolves
   * with the way to stop: nothing is delivered from the moment that is called, and it resolves when
   * libvirt has let go. The connection's close stops it too.
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
