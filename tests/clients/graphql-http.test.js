// The audit suite of npm's graphql-http, whose author writes the specification's audits
// (https://github.com/graphql/graphql-http#audits), against POST /graphql. Every audit (MUST, SHOULD, or MAY) must
// pass, except for those listed below with a reason.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { Server } from './support/server.js';

const NO_GET = 'GET is answered 405: no page can make a browser ask anything without a preflight';
const VARIABLES = 'MAY allow URL-encoded JSON string {variables} parameter in GETs';
const EXCEPTED = [
  { id: '5A70', name: 'MAY accept application/x-www-form-urlencoded formatted GET requests', reason: NO_GET },
  { id: 'D6D5', name: `${VARIABLES} when accepting application/graphql-response+json`, reason: NO_GET },
  { id: '6A70', name: `${VARIABLES} when accepting application/json`, reason: NO_GET },
];

describe("graphql-http's audits", () => {
  let server, token;
  const audits = serverAudits({ url: () => server.url, fetchFn: (url, init) => authorized(url, init) });

  function authorized(url, init = {}) {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${token}`);
    return fetch(url, { ...init, headers, signal: AbortSignal.timeout(20_000) });
  }

  before(async () => {
    // The audits of variables query `__type`.
    server = await Server.start({ PARTYLINE_INTROSPECTION: 'on' });
    token = await server.token();
  });
  after(() => server?.stop());

  test('the suite has the expected number of audits', () => {
    assert.ok(audits.length >= 60, `${audits.length} audits`);
  });

  test('each exception is an audit, none of them a MUST or a SHOULD', () => {
    const known = audits.map(({ id, name }) => `${id} ${name}`);
    for (const { id, name } of EXCEPTED) {
      assert.ok(known.includes(`${id} ${name}`), `${id} ${name} is not an audit: find out what it has become`);
      assert.match(name, /^MAY /);
    }
  });

  for (const audit of audits) {
    const exception = EXCEPTED.find(({ id }) => id === audit.id);
    const title = exception ? `not ${audit.name}: ${exception.reason}` : audit.name;
    test(`${audit.id} ${title}`, async () => {
      const { status, reason, response } = await audit.fn();
      if (exception) {
        assert.notEqual(status, 'ok', 'this audit passes now: remove the exception');
        assert.equal(response.status, 405);
      } else {
        assert.equal(status, 'ok', `${reason} (HTTP ${response?.status})`);
      }
    });
  }

  test('with a wrong token every audit gets a 401', async () => {
    const statuses = new Set();
    const fetchFn = async (url, init = {}) => {
      const headers = new Headers(init.headers);
      headers.set('authorization', 'Bearer nobody');
      const answer = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(20_000) });
      if (init.method === 'POST') statuses.add(answer.status);
      return answer;
    };
    for (const audit of serverAudits({ url: server.url, fetchFn })) await audit.fn();
    assert.deepEqual([...statuses], [401]);
  });
});
