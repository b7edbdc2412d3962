// What every client goes through. A client comes as an adapter, an object with
//
//   query(document, variables), mutate(document, variables)
//       the data; rejects with what the client makes of errors
//   subscribe(document, variables, {next, error})
//       `next` gets the data of each event, `error` what ended it; returns how to end it
//   dispose()
//
// made by `connect({url, websocketUrl, token})`. Its socket goes over a line that can be cut, and it must not come back
// by itself: how it would is tested with graphql-ws, on which the others stand.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { CLAIM, CURSOR, INBOUND, INBOX, UNKNOWN_FIELD } from './documents.js';
import { Line } from './line.js';
import { Server } from './server.js';
import { Arrivals, Late } from './wait.js';

/** Subscribes to inbound texts; what arrives, and how to end it. */
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

/** The codes in whatever a client made of the server's errors. */
export function codes(error) {
  const errors = error.graphQLErrors ?? error.errors ?? [];
  return errors.map((one) => one.extensions?.code);
}

export function story(name, connect) {
  describe(name, () => {
    let server, line;
    const clients = [];
    const client = async (user) => {
      const token = await server.token(user);
      const made = connect({ url: server.url, websocketUrl: `ws://${line.origin}/graphql/ws`, token });
      clients.push(made);
      return made;
    };

    before(async () => {
      server = await Server.start();
      line = await Line.to(server);
    });
    after(async () => {
      await Promise.all(clients.map((made) => made.dispose()));
      await line?.close();
      await server?.stop();
    });

    test('query and mutation: of two who claim a thread the second is told who was first', async () => {
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

    test('a subscription follows on the cursor of a snapshot, and goes live', async () => {
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

    test('cut off and resumed after the last cursor: nothing is missed, nothing is doubled', async () => {
      const ana = await client('ana');
      const { eventCursor } = await ana.query(CURSOR);
      const first = inbound(ana, eventCursor);
      for (const body of ['1', '2', '3']) await server.text(body);
      const seen = await first.arrivals.first(3);

      line.cut();
      // Nothing but the cut can end it, and the client must say so.
      await assert.rejects(first.arrivals.first(4), (error) => !(error instanceof Late));
      for (const body of ['4', '5', '6']) await server.text(body);
      line.mend(server);

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

    test('refusals reach the caller with their code', async () => {
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
