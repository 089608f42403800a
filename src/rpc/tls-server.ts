/**
 * The TLS side of the TCP listener: mutual TLS, 1.2 or later, from three files that can be read again
 * while it runs. A client whose certificate is refused is told why by a TLS alert. Files that do not
 * fit together are refused before anything of the running server has changed. Open connections keep
 * what they were made with; earlier sessions cannot be resumed, since their ticket keys go with the
 * old certificates. What is sent over a connection is not known here.
 */

import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { createSecureContext, createServer, type Server as TlsServer } from "node:tls";
import { clientRefusal, type Refusal, withAlerts } from "../tls/refusal.ts";

export interface TlsFiles {
  /** Paths of PEM files. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface TlsServerOptions {
  readonly handshakeMs: number;
  /** The socket is destroyed after it. */
  readonly onRefused: (socket: Socket, refusal: Refusal) => void;
}

/** Not listening yet. **Fails**: Error, which names a file that cannot be read. */
export async function createMutualTls(
  files: TlsFiles,
  { handshakeMs, onRefused }: TlsServerOptions,
): Promise<TlsServer> {
  const material = await readTlsFiles(files);
  const server = withAlerts(() =>
    createServer({
      ...material,
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: handshakeMs,
      allowHalfOpen: true,
    }),
  );
  server.on("tlsClientError", (error, socket) => {
    onRefused(socket, clientRefusal(error));
    socket.destroy();
  });
  return server;
}

/** For handshakes from now on. **Fails**: Error, and then everything is as it was. */
export async function rereadTlsFiles(server: TlsServer, files: TlsFiles): Promise<void> {
  const material = await readTlsFiles(files);
  withAlerts(() => server.setSecureContext(material));
}

async function readTlsFiles(files: TlsFiles) {
  const [ca, cert, key] = await Promise.all([
    readFile(files.ca),
    readFile(files.cert),
    readFile(files.key),
  ]);
  const material = { ca, cert, key, minVersion: "TLSv1.2" } as const;
  createSecureContext(material);
  return material;
}
