// A TCP proxy between a client and the server that can cut connections like a failing network. Its address stays the
// same while the server behind it restarts on another port.

import { once } from 'node:events';
import net from 'node:net';

export class Proxy {
  #pairs = new Set();
  #server;
  #port;
  #restored = deferred();

  static async to(server) {
    const proxy = new Proxy();
    proxy.#server = net.createServer((client) => proxy.#join(client));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.origin = `127.0.0.1:${proxy.#server.address().port}`;
    proxy.restore(server);
    return proxy;
  }

  #join(client) {
    client.on('error', () => {}); // it is also closed, which is handled below
    if (this.#port === undefined) {
      client.destroy();
      return;
    }
    const upstream = net.connect(this.#port, '127.0.0.1');
    upstream.on('error', () => {});
    const pair = [client, upstream];
    this.#pairs.add(pair);
    const part = () => {
      pair.forEach((socket) => socket.destroy());
      this.#pairs.delete(pair);
    };
    client.on('close', part);
    // The last data of the server, such as a close frame, must still be delivered.
    upstream.on('close', () => (upstream.readableEnded ? client.end() : part()));
    client.pipe(upstream);
    upstream.pipe(client);
  }

  /** Cuts all connections and refuses new ones until `restore`. */
  cut() {
    this.#port = undefined;
    this.#restored = deferred();
    for (const pair of this.#pairs) pair.forEach((socket) => socket.resetAndDestroy());
  }

  /** Forwards new connections to the current port of the server. */
  restore(server) {
    this.#port = server.port;
    this.#restored.resolve();
  }

  /** Resolves once new connections are forwarded. */
  restored() {
    return this.#restored.promise;
  }

  async close() {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}
