// @urql/core: queries and mutations over HTTP, subscriptions with graphql-ws.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { cacheExchange, Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { CURSOR } from './support/documents.js';
import { Server } from './support/server.js';
import { clientTests } from './support/client-tests.js';

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
    // By default urql uses GET, which the server does not accept.
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

clientTests('@urql/core', connect);

describe('@urql/core with its default settings', () => {
  let server;
  before(async () => (server = await Server.start()));
  after(() => server?.stop());

  // Shows why the setting above is necessary.
  test('queries by GET are refused with 405, as documented', async () => {
    const client = new Client({
      url: server.url,
      fetchOptions: { headers: { authorization: `Bearer ${await server.token()}` } },
      exchanges: [fetchExchange],
    });
    const { error } = await client.query(CURSOR, {}).toPromise();
    assert.equal(error.response.status, 405);
  });
});
