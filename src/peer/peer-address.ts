/** What a connection to another host's daemon is made with: where it is, and what is presented there. */

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** Empty where the files could not be read: peers will refuse the handshake. */
export interface PeerTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** The peer's certificate must name the host that is connected to; absent: false. */
  readonly verifyName?: boolean;
}
