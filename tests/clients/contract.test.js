// @graphql-inspector over schema.graphql: nothing that a client of the last release uses may be removed or changed.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql';

import { bare, breaking, contract, schema } from './contract.js';
import { Server } from './support/server.js';

/** The schema with one replacement. Fails if there is nothing to replace. */
function changed(sdl, from, to) {
  assert.ok(sdl.includes(from), `the schema does not contain ${JSON.stringify(from)}`);
  return sdl.replace(from, to);
}

describe('the contract', () => {
  test('the current schema is compatible with the last release', async () => {
    assert.deepEqual(await breaking(await contract(), await schema()), []);
  });

  const THREAD = 'type Thread implements Node {\n';
  const BREAKING = [
    ['a field is removed', '  assignee: User\n', ''],
    ['a field is renamed', '  assignee: User\n', '  holder: User\n'],
    ['a non-null field becomes nullable', '  unreadCount: Int!\n', '  unreadCount: Int\n'],
    ['a field has another type', '  unreadCount: Int!\n', '  unreadCount: String!\n'],
    ['a list has another item type', '  status: [ThreadStatus!]\n', '  status: [String!]\n'],
    ['an argument is removed', 'phoneNumberIds: [ID!]', 'numbers: [ID!]'],
    ['an argument becomes required', 'threads(after: String,', 'threads(after: String!,'],
    ['an input field becomes required', '  note: String\n  threadId: ID!', '  note: String!\n  threadId: ID!'],
    ['a new input field is required', 'input ClaimThreadInput {\n', 'input ClaimThreadInput {\n  reason: String!\n'],
    ['a value of an enum is removed', '  UNCLAIMED\n', ''],
    ['a type leaves its interface', THREAD, 'type Thread {\n'],
    ['a mutation is removed', '  claimThread(input: ClaimThreadInput!): ClaimThreadPayload!\n', ''],
    ['the subscriptions are removed', '  subscription: Subscription\n', ''],
  ];
  for (const [what, from, to] of BREAKING) {
    test(`a breaking change is detected: ${what}`, async () => {
      const older = await contract();
      assert.notDeepEqual(await breaking(older, changed(older, from, to)), []);
    });
  }

  const ADDITIONS = [
    ['a field', THREAD, `${THREAD}  colour: String!\n`],
    ['a type', THREAD, `type Colour {\n  name: String!\n}\n\n${THREAD}`],
    ['an optional argument', 'threads(after: String,', 'threads(colour: String, after: String,'],
    ['an optional input field', 'input ClaimThreadInput {\n', 'input ClaimThreadInput {\n  reason: String\n'],
    ['a value of an enum', '  UNCLAIMED\n', '  UNCLAIMED\n  SNOOZED\n'],
  ];
  for (const [what, from, to] of ADDITIONS) {
    test(`adding ${what} is compatible`, async () => {
      const older = await contract();
      assert.deepEqual(await breaking(older, changed(older, from, to)), []);
    });
  }

  test('descriptions are not part of the contract', async () => {
    const today = await schema();
    assert.deepEqual(await breaking(today, bare(today)), []);
  });
});

describe('introspection', () => {
  let server;
  before(async () => (server = await Server.start({ PARTYLINE_INTROSPECTION: 'on' })));
  after(() => server?.stop());

  // Generators of code and documentation send this query; it is the deepest one that the limits must allow.
  test('graphql-js reads the same schema from the server as in schema.graphql', async () => {
    const everything = { specifiedByUrl: true, directiveIsRepeatable: true, inputValueDeprecation: true };
    const read = buildClientSchema(await server.ask(getIntrospectionQuery(everything)));
    const printed = (schema) => printSchema(lexicographicSortSchema(schema));
    assert.equal(printed(read), printed(buildSchema(await schema())));
  });
});
