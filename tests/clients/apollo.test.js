// @apollo/client: queries and mutations by HttpLink, subscriptions by GraphQLWsLink, with its normalising cache.

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client/core';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { story } from './support/story.js';

// The link looks at this global when a socket fails, and Node 20 has none.
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

story('@apollo/client', connect);
