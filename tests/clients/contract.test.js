// @graphql-inspector over schema.graphql: nothing that a client of the last release uses may go or change.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql';

import { bare, breaking, contract, schema } from './contract.js';
import { Server } from './support/server.js';

/** A schema with one place of it changed, and a failure if that place is not there. */
function changed(sdl, from, to) {
  assert.ok(sdl.includes(from), `there is no ${JSON.stringify(from)} in the schema`);
  return sdl.replace(from, to);
}

describe('the contract', () => {
  test('today’s schema breaks nothing of the last release', async () => {
    assert.deepEqual(await breaking(await contract(), await schema()), []);
  });

  const THREAD = 'type Thread implements Node {\n';
  const BREAKING = [
    ['a field is removed', '  assignee: User\n', ''],
    ['a field is renamed', '  assignee: User\n', '  holder: User\n'],
    ['a field that was never null may be', '  unreadCount: Int!\n', '  unreadCount: Int\n'],
    ['a field has another type', '  unreadCount: Int!\n', '  unreadCount: String!\n'],
    ['a list has other items', '  status: [ThreadStatus!]\n', '  status: [String!]\n'],
    ['an argument is removed', 'phoneNumberIds: [ID!]', 'numbers: [ID!]'],
    ['an argument becomes required', 'threads(after: String,', 'threads(after: String!,'],
    ['an input field becomes required', '  note: String\n  threadId: ID!', '  note: String!\n  threadId: ID!'],
    ['a new input field is required', 'input ThreadInput {\n', 'input ThreadInput {\n  reason: String!\n'],
    ['a value of an enum is removed', '  UNCLAIMED\n', ''],
    ['a type leaves its interface', THREAD, 'type Thread {\n'],
    ['a mutation is removed', '  claimThread(input: ThreadInput!): ThreadPayload!\n', ''],
    ['the subscriptions are gone', '  subscription: Subscription\n', ''],
  ];
  for (const [what, from, to] of BREAKING) {
    test(`it would be noticed if ${what}`, async () => {
      const older = await contract();
      assert.notDeepEqual(await breaking(older, changed(older, from, to)), []);
    });
  }

  const ADDITIONS = [
    ['a field', THREAD, `${THREAD}  colour: String!\n`],
    ['a type', THREAD, `type Colour {\n  name: String!\n}\n\n${THREAD}`],
    ['an argument that one may leave out', 'threads(after: String,', 'threads(colour: String, after: String,'],
    ['an input field that one may leave out', 'input ThreadInput {\n', 'input ThreadInput {\n  reason: String\n'],
    ['a value of an enum', '  UNCLAIMED\n', '  UNCLAIMED\n  SNOOZED\n'],
  ];
  for (const [what, from, to] of ADDITIONS) {
    test(`to add ${what} breaks nothing`, async () => {
      const older = await contract();
      assert.deepEqual(await breaking(older, changed(older, from, to)), []);
    });
  }

  test('descriptions are no part of it', async () => {
    const today = await schema();
    assert.deepEqual(await breaking(today, bare(today)), []);
  });
});

describe('introspection', () => {
  let server;
  before(async () => (server = await Server.start({ PARTYLINE_INTROSPECTION: 'on' })));
  after(() => server?.stop());

  // Tools that make code or documentation ask this; it is the deepest query that must be within the limits.
  test('graphql-js reads the schema from the server as it stands in schema.graphql', async () => {
    const everything = { specifiedByUrl: true, directiveIsRepeatable: true, inputValueDeprecation: true };
    const read = buildClientSchema(await server.ask(getIntrospectionQuery(everything)));
    const printed = (schema) => printSchema(lexicographicSortSchema(schema));
    assert.equal(printed(read), printed(buildSchema(await schema())));
  });
});
