// Pages of other origins in a real browser: a page whose origin is in PARTYLINE_ALLOWED_ORIGINS can use the API; other
// pages cannot, even with a token, and even with requests that need no preflight (CSRF). Uploaded files never run
// scripts in the server's origin.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import { CLAIM, INBOUND, INBOX } from './support/documents.js';
import { openBrowser, servePage } from './support/page.js';
import { PUBLIC_URL, Server } from './support/server.js';
import { Arrivals, within } from './support/wait.js';

let browser, allowed, stranger, server, token, arrivals;
const ran = []; // the documents whose scripts ran

before(async () => {
  [allowed, stranger] = [await servePage(), await servePage()];
  server = await Server.start({ PARTYLINE_ALLOWED_ORIGINS: `https://app.example,${allowed.origin}` });
  token = await server.token();
  browser = await openBrowser();
  // Pages call this with each event of their subscription.
  await browser.context.exposeFunction('arrived', (event) => arrivals.add(event));
  // Scripts of uploaded files call this.
  await browser.context.exposeFunction('ran', (what) => ran.push(what));
});
after(async () => {
  await browser?.close();
  await server?.stop();
  allowed?.close();
  stranger?.close();
});

/** Opens a page of this origin, and closes it after use. */
async function withPage({ origin }, use) {
  const page = await browser.context.newPage();
  try {
    await page.goto(origin);
    return await within(30, 'the page', use(page));
  } finally {
    await page.close();
  }
}

/** Runs a function in a page of this origin and returns its result. */
const inPage = (site, run, argument) => withPage(site, (page) => page.evaluate(run, argument));

/** In a page: sends a GraphQL request. Returns `{status, body}`, or `{refused}` if the browser blocks it. */
async function ask({ url, token, query, variables }) {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    return { status: answer.status, body: await answer.json() };
  } catch (error) {
    return { refused: error.name };
  }
}

/** In a page: opens a socket and subscribes. Returns `{}` after that, or `{refused}` if the socket is closed. */
function subscribe({ url, token, query, variables }) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, 'graphql-transport-ws');
    const send = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    socket.onclose = ({ code }) => resolve({ refused: code });
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      if (type === 'connection_ack') {
        send({ type: 'subscribe', id: '1', payload: { query, variables } });
        resolve({});
      } else if (type === 'next') {
        window.arrived(payload.data.inboundMessage);
      }
    };
  });
}

const socketUrl = () => `${server.origin.replace('http:', 'ws:')}/graphql/ws`;

describe('a page of an allowed origin', () => {
  test('sends Authorization and application/json, which requires a preflight', () =>
    withPage(allowed, async (page) => {
      const types = [];
      const network = await browser.context.newCDPSession(page); // pages themselves cannot see preflights
      network.on('Network.responseReceived', ({ type }) => types.push(type));
      await network.send('Network.enable');
      const answer = await page.evaluate(ask, { url: server.url, token, query: '{ viewer { name } }' });
      assert.deepEqual(answer, { status: 200, body: { data: { viewer: { name: 'Ana Lopez' } } } });
      assert.ok(types.includes('Preflight'), types.join());
    }));

  test('can read errors: it sees the 401 for a bad token', async () => {
    const answer = await inPage(allowed, ask, { url: server.url, token: 'nobody', query: '{ viewer { name } }' });
    assert.equal(answer.status, 401);
    assert.equal(answer.body.errors[0].extensions.code, 'UNAUTHENTICATED');
  });

  test('receives the events of a subscription', async () => {
    arrivals = new Arrivals('events');
    const variables = { after: await server.cursor() };
    await withPage(allowed, async (page) => {
      assert.deepEqual(await page.evaluate(subscribe, { url: socketUrl(), token, query: INBOUND, variables }), {});
      await server.text('one');
      await arrivals.first(1);
      await server.text('two');
      const [one, two] = await arrivals.first(2);
      assert.equal(one.message.body, 'one');
      assert.equal(two.message.body, 'two');
      assert.equal(two.replayed, false);
    });
  });
});

describe('a page of any other origin', () => {
  test('is blocked even with a token', async () => {
    await server.text('Will somebody claim this?', { from: '+13035560008' });
    const inbox = async () => (await server.ask(INBOX)).threads.nodes[0];
    const variables = { input: { threadId: (await inbox()).id } };
    const answer = await inPage(stranger, ask, { url: server.url, token, query: CLAIM, variables });
    assert.deepEqual(answer, { refused: 'TypeError' });
    assert.equal((await inbox()).status, 'UNCLAIMED');
  });

  test('gets no socket', async () => {
    const answer = await inPage(stranger, subscribe, { url: socketUrl(), token, query: INBOUND, variables: {} });
    assert.deepEqual(answer, { refused: 1006 });
  });

  test('does not learn from the preflight what would be allowed', async () => {
    const answer = await fetch(server.url, {
      method: 'OPTIONS',
      headers: {
        Origin: stranger.origin,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,content-type',
      },
    });
    assert.equal(answer.headers.get('access-control-allow-origin'), null);
  });
});

describe('requests without a preflight change nothing', () => {
  // Browsers send these requests from any page without a preflight, with the cookies of the server. There are none, so
  // each request carries the token where it can.
  const attempts = {
    'a POST of text/plain': ({ url, body }) => fetch(url, { method: 'POST', mode: 'no-cors', body }).then(() => {}),
    'a POST without a content type': ({ url, body }) =>
      fetch(url, { method: 'POST', mode: 'no-cors', body: new Blob([body]) }).then(() => {}),
    'a beacon': ({ url, body }) => navigator.sendBeacon(url, body),
    'a GET': ({ url, query, variables, token }) => {
      const asked = new URLSearchParams({ query, variables: JSON.stringify(variables), access_token: token });
      return fetch(`${url}?${asked}`, { mode: 'no-cors' }).then(() => {});
    },
  };
  for (const enctype of ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']) {
    attempts[`a form as ${enctype}`] = ({ url, query, variables, token, body, enctype }) => {
      const form = document.createElement('form');
      Object.assign(form, { method: 'POST', action: url, enctype, target: 'answer' });
      const fields = { query, variables: JSON.stringify(variables), access_token: token };
      // As text/plain, the form is sent as one line `name=value`; this name and value make it valid JSON.
      const line = { [`${body.slice(0, -1)},"extensions":{"`]: '":1}}' };
      for (const [name, value] of Object.entries(enctype === 'text/plain' ? line : fields)) {
        form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
      }
      document.body.append(form);
      form.submit();
    };
  }

  /** Creates a thread, lets a page try to claim it, and asserts that it stays unclaimed. Returns the HTTP status. */
  async function attempt(site, run, more) {
    await server.text('Will somebody claim this?', { from: '+13035560009' });
    const inbox = async () => (await server.ask(INBOX)).threads.nodes[0];
    const { id } = await inbox();
    const variables = { input: { threadId: id } };
    const body = JSON.stringify({ query: CLAIM, variables });
    const status = await withPage(site, async (page) => {
      const answered = page.waitForResponse((response) => response.url().startsWith(server.url));
      const [response] = await Promise.all([
        answered,
        page.evaluate(run, { url: server.url, query: CLAIM, variables, body, token, ...more }),
      ]);
      return response.status();
    });
    assert.equal((await inbox()).status, 'UNCLAIMED');
    return status;
  }

  for (const [how, run] of Object.entries(attempts)) {
    const enctype = /a form as (.*)/.exec(how)?.[1];
    const expected = how === 'a GET' ? 405 : 401;
    for (const [whose, site] of [
      ['a disallowed', () => stranger],
      ['an allowed', () => allowed],
    ]) {
      test(`${how} from ${whose} page`, async () => assert.equal(await attempt(site(), run, { enctype }), expected));
    }
  }

  // A token in the header requires a preflight. These tests show that the requests above are refused for their media
  // type, too, and not only for the missing token.
  const send = ({ url, body, token, method, type }) =>
    fetch(url, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(type && { 'Content-Type': type }) },
      body: method === 'POST' ? new Blob([body]) : undefined,
    }).catch(() => {}); // a response that the page cannot read rejects the promise
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', undefined];
  for (const type of types) {
    test(`a POST of ${type ?? 'no type'} with a token from an allowed page`, async () =>
      assert.equal(await attempt(allowed, send, { method: 'POST', type }), 415));
  }
  test('a GET with a token from an allowed page', async () =>
    assert.equal(await attempt(allowed, send, { method: 'GET' }), 405));
});

describe('an uploaded file', () => {
  const script = (what) => `<script>window.ran('${what}')</script>`;
  const HTML = `<!doctype html><title>x</title><body onload="window.ran('html event')">${script('html')}</body>`;
  const SVG = `<svg xmlns="http://www.w3.org/2000/svg" onload="window.ran('svg event')">${script('svg')}</svg>`;
  const PNG = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );

  /** Uploads a file; returns the address at which the server serves it. */
  async function upload(body) {
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await fetch(`${server.origin}/media`, { method: 'POST', headers, body });
    assert.equal(answer.status, 201);
    return (await answer.json()).url.replace(PUBLIC_URL, server.origin);
  }

  /** In a page: embeds a file in this element; resolves with whether it was shown. */
  const embed = ({ url, element }) =>
    new Promise((resolve) => {
      const embedded = document.createElement(element);
      embedded.onload = () => resolve(true);
      embedded.onerror = () => resolve(false);
      embedded.src = url;
      document.body.append(embedded);
    });

  test('would be noticed if its script ran', () =>
    withPage(allowed, async (page) => {
      await page.setContent(HTML);
      assert.ok(ran.splice(0).includes('html'));
    }));

  for (const [what, content] of Object.entries({ HTML, SVG })) {
    test(`of ${what} is downloaded in a tab and in a frame, and its script does not run`, async () => {
      const url = await upload(content);
      const open = [
        (page) => page.goto(url).catch(() => {}), // a navigation that becomes a download fails
        (page) => page.evaluate(embed, { url, element: 'iframe' }).catch(() => {}),
      ];
      for (const run of open) {
        await withPage(allowed, async (page) => {
          const downloaded = page.waitForEvent('download');
          await Promise.race([run(page), downloaded]); // a frame that is downloaded does not load
          const download = await downloaded;
          assert.equal(await readFile(await download.path(), 'utf8'), content);
        });
      }
      await inPage(allowed, embed, { url, element: 'img' });
      assert.deepEqual(ran, []);
    });
  }

  test('that is a picture is shown on a page of an allowed origin', async () => {
    const url = await upload(PNG);
    assert.equal(await inPage(allowed, embed, { url, element: 'img' }), true);
  });
});
