// graphql-ws: all operations over one socket, and its own retries when the socket is closed.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, describe, test } from 'node:test';

import { CloseCode, createClient, GRAPHQL_TRANSPORT_WS_PROTOCOL } from 'graphql-ws';
import WebSocket from 'ws';

import { CURSOR, INBOUND } from './support/documents.js';
import { Proxy } from './support/proxy.js';
import { Server } from './support/server.js';
import { bodies, inbound, clientTests } from './support/client-tests.js';
import { Arrivals, within } from './support/wait.js';

/** The client rejects with a close event, a list of GraphQL errors, or an Error. Converts each to an Error. */
function asError(reason) {
  if (reason instanceof Error) return reason;
  if (Array.isArray(reason)) return Object.assign(new Error('the operation was refused'), { errors: reason });
  return Object.assign(new Error(`the socket closed with ${reason.code} ${reason.reason}`), { code: reason.code });
}

/** An adapter of the client for the shared tests. */
function adapter(options) {
  const client = createClient({ webSocketImpl: WebSocket, ...options });
  const subscribe = (query, variables, { next, error, complete = () => {} }) =>
    client.subscribe(
      { query, variables },
      {
        next: ({ data, errors }) => (errors ? error(asError(errors)) : next(data)),
        error: (reason) => error(asError(reason)),
        complete,
      },
    );
  const only = (query, variables) =>
    new Promise((resolve, reject) => {
      const complete = () => reject(new Error('the operation had no result'));
      subscribe(query, variables, { next: resolve, error: reject, complete });
    });
  return { client, query: only, mutate: only, subscribe, dispose: () => client.dispose() };
}

clientTests('graphql-ws', ({ websocketUrl, token }) =>
  adapter({ url: websocketUrl, connectionParams: { authorization: `Bearer ${token}` }, retryAttempts: 0 }),
);

describe('graphql-ws with its own retries', () => {
  let server, proxy, url;
  const clients = [];

  before(async () => {
    server = await Server.start();
    proxy = await Proxy.to(server);
    url = `ws://${proxy.origin}/graphql/ws`;
  });
  afterEach(() => Promise.all(clients.splice(0).map((made) => made.dispose())));
  after(async () => {
    await proxy?.close();
    await server?.stop();
  });

  /** A client that records close events, and retries once the proxy forwards connections again, without a delay. */
  function watched(options) {
    const closings = new Arrivals('closings');
    const made = adapter({
      url,
      retryWait: () => proxy.restored(),
      on: { closed: (event) => closings.add(event) },
      ...options,
    });
    clients.push(made);
    return { ...made, closings };
  }

  /** Subscribes as documented: each event updates `after`, which a retry sends. */
  function following(client, cursor) {
    const variables = { after: cursor };
    const arrivals = new Arrivals('events');
    const next = ({ data }) => {
      variables.after = data.inboundMessage.cursor;
      arrivals.add(data.inboundMessage);
    };
    client.subscribe({ query: INBOUND, variables }, { next, error: (error) => arrivals.fail(error), complete() {} });
    return arrivals;
  }

  const login = async (user) => ({ authorization: `Bearer ${await server.token(user)}` });

  test('a restart closes with 1012, and the client reconnects: no event is missed or repeated', async () => {
    const { client, closings } = watched({ connectionParams: await login() });
    const arrivals = following(client, await server.cursor());
    await server.text('1');
    await server.text('2');
    await arrivals.first(2);

    const drained = server.drain();
    const [closing] = await closings.first(1);
    proxy.cut();
    await drained;
    assert.equal(closing.code, 1012);
    await server.serve();
    await server.text('3'); // no server accepts the client yet
    proxy.restore(server);
    await arrivals.first(3);
    await server.text('4');
    assert.deepEqual(bodies(await arrivals.first(4)), ['1', '2', '3', '4']);
    assert.deepEqual(
      arrivals.all.slice(2).map((event) => event.replayed),
      [true, false],
    );
  });

  test('a retry with the first cursor replays events, which can be deduplicated by their cursors', async () => {
    const { closings, ...client } = watched({ connectionParams: await login() });
    const { arrivals } = inbound(client, await server.cursor());
    await server.text('1');
    await arrivals.first(1);
    proxy.cut();
    await closings.first(1);
    await server.text('2');
    proxy.restore(server);
    const events = await arrivals.first(3);
    assert.deepEqual(bodies(events), ['1', '1', '2']);
    assert.equal(events[0].cursor, events[1].cursor);
  });

  test('terminate() leads to a retry, too', async () => {
    const { client, closings } = watched({ connectionParams: await login() });
    const arrivals = following(client, await server.cursor());
    await server.text('1');
    await arrivals.first(1);
    client.terminate();
    await closings.first(1);
    await server.text('2');
    assert.deepEqual(bodies(await arrivals.first(2)), ['1', '2']);
  });

  test('a bad token closes with 4403, which reaches the caller after the last retry', async () => {
    const params = { authorization: 'Bearer nobody' };
    const { query, closings } = watched({ connectionParams: params, retryAttempts: 2 });
    await assert.rejects(query(CURSOR), { code: CloseCode.Forbidden });
    // By default, this client retries, because a later attempt may have a valid token.
    assert.deepEqual(
      (await closings.first(3)).map((event) => event.code),
      [4403, 4403, 4403],
    );
  });

  test('a client that treats 4403 as fatal tries once', async () => {
    const shouldRetry = (event) => event.code !== CloseCode.Forbidden;
    const { query, closings } = watched({ connectionParams: { authorization: 'Bearer nobody' }, shouldRetry });
    await assert.rejects(query(CURSOR), { code: CloseCode.Forbidden });
    assert.equal(closings.all.length, 1);
  });

  test('a token that expires closes with 4403; with a new one the subscription continues', async () => {
    const asked = [];
    const connectionParams = async () => {
      const token = await server.token('ana', asked.length === 0 ? '3s' : '1h');
      asked.push(token);
      return { authorization: `Bearer ${token}` };
    };
    const { client, closings } = watched({ connectionParams });
    const arrivals = following(client, await server.cursor());
    await server.text('1');
    await arrivals.first(1);
    const [closing] = await closings.first(1);
    assert.equal(closing.code, 4403);
    await server.text('2');
    assert.deepEqual(bodies(await arrivals.first(2)), ['1', '2']);
    assert.equal(asked.length, 2);
  });

  test('pings of the client are answered, so that its socket stays open with keepAlive', async () => {
    const pongs = new Arrivals('pongs');
    const closings = new Arrivals('closings');
    const on = { pong: (received) => received && pongs.add(received), closed: (event) => closings.add(event) };
    const { client } = watched({ connectionParams: await login(), keepAlive: 20, on });
    const arrivals = following(client, await server.cursor());
    await pongs.first(5);
    await server.text('1');
    assert.deepEqual(bodies(await arrivals.first(1)), ['1']);
    assert.deepEqual(closings.all, []);
  });

  test("a client's close frame is answered: the client sees its own code, not 1006", async () => {
    for (const code of [1000, 4499]) {
      const socket = new WebSocket(url, GRAPHQL_TRANSPORT_WS_PROTOCOL);
      const closed = new Promise((resolve, reject) => socket.once('close', resolve).once('error', reject));
      await within(20, 'the socket to open', once(socket, 'open'));
      socket.close(code);
      assert.equal(await within(20, 'the socket to close', closed), code);
    }
  });
});
