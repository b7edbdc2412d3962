// The line between a client and the server: a TCP forwarder that can be cut, as a network is, without either side's
// having a say. Its address stays while the server behind it restarts on another port.

import { once } from 'node:events';
import net from 'node:net';

export class Line {
  #pairs = new Set();
  #server;
  #port;
  #mended = deferred();

  static async to(server) {
    const line = new Line();
    line.#server = net.createServer((client) => line.#join(client));
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    line.origin = `127.0.0.1:${line.#server.address().port}`;
    line.mend(server);
    return line;
  }

  #join(client) {
    client.on('error', () => {}); // it is closed, too, and that is seen to below
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
    // What the server said last, a closing code say, is still to be delivered.
    upstream.on('close', () => (upstream.readableEnded ? client.end() : part()));
    client.pipe(upstream);
    upstream.pipe(client);
  }

  /** Cuts whatever is connected, and lets nobody through until it is mended. */
  cut() {
    this.#port = undefined;
    this.#mended = deferred();
    for (const pair of this.#pairs) pair.forEach((socket) => socket.resetAndDestroy());
  }

  /** Lets clients through to where the server is now. */
  mend(server) {
    this.#port = server.port;
    this.#mended.resolve();
  }

  /** Until it lets clients through. */
  whole() {
    return this.#mended.promise;
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
