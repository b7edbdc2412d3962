// graphql-ws: everything over one socket; what it does by itself when the socket ends.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, describe, test } from 'node:test';

import { CloseCode, createClient, GRAPHQL_TRANSPORT_WS_PROTOCOL } from 'graphql-ws';
import WebSocket from 'ws';

import { CURSOR, INBOUND } from './support/documents.js';
import { Line } from './support/line.js';
import { Server } from './support/server.js';
import { bodies, inbound, story } from './support/story.js';
import { Arrivals, within } from './support/wait.js';

/** What the client rejects with is a close event, a list of GraphQL errors or an Error; here it is always the last. */
function asError(reason) {
  if (reason instanceof Error) return reason;
  if (Array.isArray(reason)) return Object.assign(new Error('the operation was refused'), { errors: reason });
  return Object.assign(new Error(`the socket closed with ${reason.code} ${reason.reason}`), { code: reason.code });
}

/** The client as an adapter for the story. */
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

story('graphql-ws', ({ websocketUrl, token }) =>
  adapter({ url: websocketUrl, connectionParams: { authorization: `Bearer ${token}` }, retryAttempts: 0 }),
);

describe('graphql-ws with its own retries', () => {
  let server, line, url;
  const clients = [];

  before(async () => {
    server = await Server.start();
    line = await Line.to(server);
    url = `ws://${line.origin}/graphql/ws`;
  });
  afterEach(() => Promise.all(clients.splice(0).map((made) => made.dispose())));
  after(async () => {
    await line?.close();
    await server?.stop();
  });

  /** A client that notes how its sockets close, and tries again once the line is whole instead of after a while. */
  function watched(options) {
    const closings = new Arrivals('closings');
    const made = adapter({
      url,
      retryWait: () => line.whole(),
      on: { closed: (event) => closings.add(event) },
      ...options,
    });
    clients.push(made);
    return { ...made, closings };
  }

  /** Subscribes as docs tell it to: each event moves `after`, which is what a retry of the client sends. */
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

  test('a restart closes with 1012, and the client is back by itself: nothing missed, nothing doubled', async () => {
    const { client, closings } = watched({ connectionParams: await login() });
    const arrivals = following(client, await server.cursor());
    await server.text('1');
    await server.text('2');
    await arrivals.first(2);

    const drained = server.drain();
    const [closing] = await closings.first(1);
    line.cut();
    await drained;
    assert.equal(closing.code, 1012);
    await server.serve();
    await server.text('3'); // nobody listens yet
    line.mend(server);
    await arrivals.first(3);
    await server.text('4');
    assert.deepEqual(bodies(await arrivals.first(4)), ['1', '2', '3', '4']);
    assert.deepEqual(
      arrivals.all.slice(2).map((event) => event.replayed),
      [true, false],
    );
  });

  test('a retry with the first cursor replays: who drops what they have seen has everything once', async () => {
    const { closings, ...client } = watched({ connectionParams: await login() });
    const { arrivals } = inbound(client, await server.cursor());
    await server.text('1');
    await arrivals.first(1);
    line.cut();
    await closings.first(1);
    await server.text('2');
    line.mend(server);
    const events = await arrivals.first(3);
    assert.deepEqual(bodies(events), ['1', '1', '2']);
    assert.equal(events[0].cursor, events[1].cursor);
  });

  test('terminate() is such a cut, too', async () => {
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
    // By default this client does not take it as final: a better token may come.
    assert.deepEqual(
      (await closings.first(3)).map((event) => event.code),
      [4403, 4403, 4403],
    );
  });

  test('a client that takes 4403 as final tries once', async () => {
    const shouldRetry = (event) => event.code !== CloseCode.Forbidden;
    const { query, closings } = watched({ connectionParams: { authorization: 'Bearer nobody' }, shouldRetry });
    await assert.rejects(query(CURSOR), { code: CloseCode.Forbidden });
    assert.equal(closings.all.length, 1);
  });

  test('a token that expires closes with 4403; with a new one the subscription goes on', async () => {
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

  test('pings of the client are answered: with keepAlive it keeps its socket', async () => {
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

  test("a client's farewell is answered: it sees the code that it gave, not 1006", async () => {
    for (const code of [1000, 4499]) {
      const socket = new WebSocket(url, GRAPHQL_TRANSPORT_WS_PROTOCOL);
      const closed = new Promise((resolve, reject) => socket.once('close', resolve).once('error', reject));
      await within(20, 'the socket to open', once(socket, 'open'));
      socket.close(code);
      assert.equal(await within(20, 'the socket to close', closed), code);
    }
  });
});
