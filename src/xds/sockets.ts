/**
 * The connections by the address at which each call tells where it comes from:
 * grpc-js ends a call only behind all that was written on it, and so never
 * where nobody reads.
 */
import type { Socket } from 'node:net';

export class Sockets {
  readonly #byAddress = new Map<string, Socket>();

  keep(socket: Socket): void {
    const address = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`;
    this.#byAddress.set(address, socket);
    socket.once('close', () => {
      if (this.#byAddress.get(address) === socket) this.#byAddress.delete(address);
    });
  }

  cut(address: string): void {
    this.#byAddress.get(address)?.destroy();
  }
}
