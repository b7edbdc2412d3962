// Tests shared by all clients. Each client is wrapped in an adapter, an object with
//
//   query(document, variables), mutate(document, variables)
//       resolves with the data; rejects with the client's own errors
//   subscribe(document, variables, {next, error})
//       `next` gets the data of each event, `error` the reason for the end; returns a function that unsubscribes
//   dispose()
//
// created by `connect({url, websocketUrl, token})`. Its socket goes through a proxy that can cut connections, and it
// must not retry by itself; retries are tested with graphql-ws, on which the other clients are based.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { CLAIM, CURSOR, INBOUND, INBOX, UNKNOWN_FIELD } from './documents.js';
import { Proxy } from './proxy.js';
import { Server } from './server.js';
import { Arrivals, TimeoutError } from './wait.js';

/** Subscribes to inbound texts; returns the arrivals and a function that unsubscribes. */
export function inbound(client, cursor) {
  const arrivals = new Arrivals('events');
  const end = client.subscribe(
    INBOUND,
    { after: cursor },
    { next: ({ inboundMessage }) => arrivals.add(inboundMessage), error: (error) => arrivals.fail(error) },
  );
  return { arrivals, end };
}

export const bodies = (events) => events.map((event) => event.message.body);

/** The error codes in the errors of any client. */
export function codes(error) {
  const errors = error.graphQLErrors ?? error.errors ?? [];
  return errors.map((one) => one.extensions?.code);
}

export function clientTests(name, connect) {
  describe(name, () => {
    let server, proxy;
    const clients = [];
    const client = async (user) => {
      const token = await server.token(user);
      const made = connect({ url: server.url, websocketUrl: `ws://${proxy.origin}/graphql/ws`, token });
      clients.push(made);
      return made;
    };

    before(async () => {
      server = await Server.start();
      proxy = await Proxy.to(server);
    });
    after(async () => {
      await Promise.all(clients.map((made) => made.dispose()));
      await proxy?.close();
      await server?.stop();
    });

    test('query and mutation: the second of two claims gets an error with the winner', async () => {
      await server.text('May I come at ten?');
      const [ana, ben] = [await client('ana'), await client('ben')];
      const [thread] = (await ana.query(INBOX)).threads.nodes;
      assert.equal(thread.status, 'UNCLAIMED');
      assert.equal(thread.contact.phone, '+13035560001');
      assert.equal(thread.lastMessage.body, 'May I come at ten?');

      const input = { threadId: thread.id };
      const { claimThread: won } = await ana.mutate(CLAIM, { input });
      assert.deepEqual(won.userErrors, []);
      assert.equal(won.thread.status, 'CLAIMED');
      assert.equal(won.thread.assignee.name, 'Ana Lopez');

      const { claimThread: lost } = await ben.mutate(CLAIM, { input });
      assert.equal(lost.thread, null);
      assert.equal(lost.userErrors[0].code, 'ALREADY_CLAIMED');
      assert.equal(lost.userErrors[0].claimedBy.name, 'Ana Lopez');
    });

    test('a subscription resumes after the cursor of a snapshot, then delivers live events', async () => {
      const ana = await client('ana');
      const { eventCursor } = await ana.query(CURSOR);
      await server.text('before');
      const { arrivals, end } = inbound(ana, eventCursor);
      await arrivals.first(1);
      await server.text('after');
      const events = await arrivals.first(2);
      assert.deepEqual(bodies(events), ['before', 'after']);
      assert.deepEqual(
        events.map((event) => event.replayed),
        [true, false],
      );
      await end();
    });

    test('after a disconnect and a resumption with the last cursor no event is missed or repeated', async () => {
      const ana = await client('ana');
      const { eventCursor } = await ana.query(CURSOR);
      const first = inbound(ana, eventCursor);
      for (const body of ['1', '2', '3']) await server.text(body);
      const seen = await first.arrivals.first(3);

      proxy.cut();
      // The subscription can end only because of the disconnect, which the client must report.
      await assert.rejects(first.arrivals.first(4), (error) => !(error instanceof TimeoutError));
      for (const body of ['4', '5', '6']) await server.text(body);
      proxy.restore(server);

      const second = inbound(ana, seen.at(-1).cursor);
      const missed = await second.arrivals.first(3);
      await server.text('7');
      const resumed = await second.arrivals.first(4);
      assert.deepEqual(bodies([...first.arrivals.all, ...resumed]), ['1', '2', '3', '4', '5', '6', '7']);
      assert.ok(missed.every((event) => event.replayed));
      assert.equal(resumed.at(-1).replayed, false);
      const cursors = [...seen, ...resumed].map((event) => event.cursor);
      assert.equal(new Set(cursors).size, cursors.length);
      await second.end();
    });

    test('errors are reported with their codes', async () => {
      const ana = await client('ana');
      await assert.rejects(ana.query(UNKNOWN_FIELD), (error) => {
        assert.deepEqual(codes(error), ['GRAPHQL_VALIDATION_FAILED']);
        return true;
      });
      const { arrivals } = inbound(ana, 'no cursor');
      await assert.rejects(arrivals.first(1), (error) => {
        assert.deepEqual(codes(error), ['BAD_USER_INPUT']);
        return true;
      });
    });
  });
}
