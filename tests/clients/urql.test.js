// @urql/core: queries and mutations over HTTP, subscriptions by graphql-ws.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { cacheExchange, Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { CURSOR } from './support/documents.js';
import { Server } from './support/server.js';
import { story } from './support/story.js';

function connect({ url, websocketUrl, token }) {
  const authorization = `Bearer ${token}`;
  const sockets = createClient({
    url: websocketUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
  });
  const client = new Client({
    url,
    // What urql prefers by itself is GET, which is not served.
    preferGetMethod: false,
    fetchOptions: { headers: { authorization } },
    requestPolicy: 'network-only',
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({ unsubscribe: sockets.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
  });
  const data = ({ data, error }) => {
    if (error) throw error;
    return data;
  };
  return {
    query: async (document, variables) => data(await client.query(document, variables).toPromise()),
    mutate: async (document, variables) => data(await client.mutation(document, variables).toPromise()),
    subscribe(document, variables, { next, error }) {
      const { unsubscribe } = client
        .subscription(document, variables)
        .subscribe((result) => (result.error ? error(result.error) : next(result.data)));
      return unsubscribe;
    },
    dispose: () => sockets.dispose(),
  };
}

story('@urql/core', connect);

describe('@urql/core as it comes', () => {
  let server;
  before(async () => (server = await Server.start()));
  after(() => server?.stop());

  // Whoever writes a client learns from this what the setting above is for.
  test('its queries by GET are refused with 405, as the contract says', async () => {
    const client = new Client({
      url: server.url,
      fetchOptions: { headers: { authorization: `Bearer ${await server.token()}` } },
      exchanges: [fetchExchange],
    });
    const { error } = await client.query(CURSOR, {}).toPromise();
    assert.equal(error.response.status, 405);
  });
});
