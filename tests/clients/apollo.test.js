// @apollo/client: queries and mutations with HttpLink, subscriptions with GraphQLWsLink, and its normalizing cache.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client/core';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { CURSOR } from './support/documents.js';
import { Server } from './support/server.js';
import { clientTests } from './support/client-tests.js';

// The link uses this global when a socket fails, and Node 20 lacks it.
globalThis.WebSocket ??= WebSocket;

function connect({ url, websocketUrl, token }) {
  const authorization = `Bearer ${token}`;
  const sockets = createClient({
    url: websocketUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
  });
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(sockets),
      new HttpLink({ uri: url, headers: { authorization } }),
    ),
  });
  return {
    query: async (document, variables) =>
      (await client.query({ query: gql(document), variables, fetchPolicy: 'network-only' })).data,
    mutate: async (document, variables) => (await client.mutate({ mutation: gql(document), variables })).data,
    subscribe(document, variables, { next, error }) {
      const subscription = client
        .subscribe({ query: gql(document), variables })
        .subscribe({ next: (result) => (result.error ? error(result.error) : next(result.data)), error });
      return () => subscription.unsubscribe();
    },
    async dispose() {
      client.stop();
      await sockets.dispose();
    },
  };
}

clientTests('@apollo/client', connect);

describe('@apollo/client with persisted queries', () => {
  let server;
  before(async () => (server = await Server.start()));
  after(() => server?.stop());

  for (const accept of ['application/json', 'application/graphql-response+json']) {
    test(`sends the document when the hash is refused, and no further hashes (${accept})`, async () => {
      const sent = [];
      const http = new HttpLink({
        uri: server.url,
        headers: { authorization: `Bearer ${await server.token('ana')}`, accept },
        fetch: (url, options) => {
          const { query, extensions } = JSON.parse(options.body);
          sent.push({ document: query !== undefined, hash: extensions?.persistedQuery !== undefined });
          return fetch(url, options);
        },
      });
      const sha256 = (text) => createHash('sha256').update(text).digest('hex');
      const client = new ApolloClient({
        cache: new InMemoryCache(),
        link: new PersistedQueryLink({ sha256 }).concat(http),
      });
      for (let count = 0; count < 2; count += 1) {
        const { data } = await client.query({ query: gql(CURSOR), fetchPolicy: 'network-only' });
        assert.equal(typeof data.eventCursor, 'string');
      }
      client.stop();
      const [hash, document] = [
        { document: false, hash: true },
        { document: true, hash: false },
      ];
      assert.deepEqual(sent, [hash, document, document]);
    });
  }
});
