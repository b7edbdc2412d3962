// The peer on Mercurius and Fastify, with just-in-time compiled queries. The environment is that of yoga.js.

const Fastify = require('fastify');
const formbody = require('@fastify/formbody');
const mercurius = require('mercurius');
const { userOf } = require('./auth');
const { createContext, resolvers, typeDefs } = require('./schema');
const { TWIML, receive } = require('./webhook');

const Subscription = { inboundMessage: { subscribe: (_, __, { pubsub }) => pubsub.subscribe('texts') } };
const app = Fastify();
app.register(formbody);
app.register(mercurius, {
  schema: typeDefs,
  resolvers: { ...resolvers, Subscription },
  jit: 1,
  context: (request) => createContext(request.headers.authorization),
  subscription: { onConnect: ({ payload }) => userOf(payload?.authorization) !== null },
});

app.post('/api/twilio/webhook', async (request, reply) => {
  const received = await receive(request.url, request.body, request.headers['x-twilio-signature']);
  if (!received) return reply.code(403).send();
  reply.type('text/xml').send(TWIML);
  if (received.event) app.graphql.pubsub.publish({ topic: 'texts', payload: { inboundMessage: received.event } });
});

app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
