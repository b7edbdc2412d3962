// Every request to Twilio conforms to Twilio's published OpenAPI document. Prism mocks the API from that document and
// reports violations (those of its own generated responses are ignored). A proxy between Prism and Partyline records
// each exchange, and replaces one response with an error so that Partyline looks up the text.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { NUMBER, Server } from './support/server.js';
import { Arrivals, within } from './support/wait.js';

const DOCUMENT = fileURLToPath(new URL('../../../shared/twilio/twilio_api_v2010.json', import.meta.url));
const PRISM = fileURLToPath(new URL('node_modules/@stoplight/prism-cli/dist/index.js', import.meta.url));
const START_SECONDS = 60;

let prism, proxy, server;
const exchanges = new Arrivals('requests to Twilio');
const texts = () => exchanges.all.filter(({ method }) => method === 'POST');

/** Starts Prism; returns its process and the port that it logs. */
async function startPrism() {
  await access(DOCUMENT); // a missing document fails the test instead of skipping it
  const child = spawn(process.execPath, [PRISM, 'mock', '--host', '127.0.0.1', '--port', '0', DOCUMENT], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const port = new Promise((resolve) => {
    const read = (chunk) => {
      log += chunk;
      const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(log)?.[1];
      if (found) resolve(Number(found));
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
  });
  try {
    return { child, port: await within(START_SECONDS, 'Prism to listen', port) };
  } catch (error) {
    child.kill('SIGKILL');
    error.message += `\n${log}`;
    throw error;
  }
}

/** Starts a proxy that forwards requests to Prism and records the exchanges. */
async function startProxy(port) {
  const proxy = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const passed = http.request({ port, host: '127.0.0.1', path: request.url, method: request.method, headers: request.headers });
    passed.end(body);
    const [answer] = await once(passed, 'response');
    const text = Buffer.concat(await answer.toArray()).toString();
    const violations = JSON.parse(answer.headers['sl-violations'] ?? '[]');
    const exchange = {
      method: request.method,
      path: request.url,
      form: new URLSearchParams(body.toString()),
      status: answer.statusCode,
      violations: violations.filter(({ location }) => location[0] === 'request'),
      text,
    };
    const spoiled = exchange.form.get('Body')?.startsWith('Spoil');
    response.writeHead(spoiled ? 500 : answer.statusCode, { 'content-type': 'application/json' });
    // Prism returns the same SID for every message.
    response.end(spoiled ? '{}' : text.replace(/"sid":"SM\w+"/, `"sid":"SM${randomBytes(16).toString('hex')}"`));
    exchanges.add(exchange);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return proxy;
}

before(async () => {
  prism = await startPrism();
  proxy = await startProxy(prism.port);
  server = await Server.start({
    TWILIO_API_BASE: `http://127.0.0.1:${proxy.address().port}`,
    // Messaging Services are a separate API that this document does not describe; nothing listens on this port.
    TWILIO_MESSAGING_BASE: 'http://127.0.0.1:9',
  });
});

after(async () => {
  await server?.stop();
  proxy?.closeAllConnections();
  proxy?.close();
  prism?.child.kill('SIGTERM');
});

const SEND = `mutation($input: SendMessageInput!) {
  sendMessage(input: $input) { message { id status } userErrors { code message } }
}`;

async function reply(body) {
  const { threads } = await server.ask('{ threads(first: 1) { nodes { id } } }');
  const input = { threadId: threads.nodes[0].id, body, idempotencyKey: body.slice(0, 100) };
  const { sendMessage } = await server.ask(SEND, { variables: { input } });
  assert.deepEqual(sendMessage.userErrors, []);
}

test('long texts, other alphabets, and the lookup of a text in doubt', { timeout: 120_000 }, async () => {
  await server.text('Good morning');
  const bodies = ['Yes & no = 100 % + more?', 'ж 👍 é \n second line', 'a'.repeat(1600), 'Spoil this answer'];
  for (const body of bodies) await reply(body);
  // The four texts, and at least one lookup of the last one. Reconciliation lists texts and calls meanwhile.
  const isLookup = ({ method, path }) => method === 'GET' && path.includes('/Messages.json?From=');
  let seen = await exchanges.first(5, 60);
  while (texts().length < bodies.length || !seen.some(isLookup)) seen = await exchanges.first(seen.length + 1, 60);
  for (const { method, path, status, violations, text } of seen) {
    assert.deepEqual(violations, [], `${method} ${path}`);
    assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
  }
  assert.deepEqual(
    texts().map(({ form }) => form.get('Body')),
    bodies,
  );
  for (const { path, form } of texts()) {
    assert.match(path, /^\/2010-04-01\/Accounts\/AC[0-9a-f]{32}\/Messages\.json$/);
    assert.equal(form.get('From'), NUMBER);
    assert.match(form.get('StatusCallback'), /^https:.*\/api\/twilio\/message-status\?agency=agy_\w+&message=msg_\w+#rc=5/);
  }
});

test('doctor requests only resources that exist', { timeout: 60_000 }, async () => {
  const before = exchanges.all.length;
  // Prism's responses are generated, and doctor reports some of them as misconfigured.
  await server.command(['doctor']).catch(() => {});
  const asked = exchanges.all.slice(before);
  assert.ok(asked.length >= 2);
  for (const { method, path, status, violations, text } of asked) {
    assert.deepEqual(violations, [], `${method} ${path}`);
    assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
  }
});

test('a call that a user starts', { timeout: 60_000 }, async () => {
  await server.command(['apply', '-'], 'agencies: [{key: acme, users: [{key: ana, phone: "+13035550111", phoneVerified: true}]}]');
  const { phoneNumbers } = await server.ask('{ phoneNumbers { nodes { id e164 } } }');
  const phoneNumberId = phoneNumbers.nodes.find(({ e164 }) => e164 === NUMBER).id;
  const { startCall } = await server.ask(
    `mutation($input: StartCallInput!) { startCall(input: $input) { call { id status } userErrors { code message } } }`,
    { variables: { input: { phoneNumberId, to: '+13035560001' } } },
  );
  assert.deepEqual(startCall.userErrors, []);
  // The text in doubt is still being looked up.
  const calls = exchanges.all.filter(({ method, path }) => method === 'POST' && !path.includes('/Messages'));
  assert.equal(calls.length, 1);
  const [{ method, path, status, violations, form, text }] = calls;
  assert.deepEqual(violations, [], `${method} ${path}`);
  assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
  assert.match(path, /^\/2010-04-01\/Accounts\/AC[0-9a-f]{32}\/Calls\.json$/);
  assert.equal(form.get('From'), NUMBER);
  assert.equal(form.get('To'), '+13035550111');
  assert.match(form.get('Url'), /^https:.*\/api\/twilio\/voice\/outbound\?agency=agy_\w+&call=cal_\w+#rc=5/);
});
