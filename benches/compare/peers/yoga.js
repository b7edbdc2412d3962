// The peer on GraphQL Yoga, with graphql-ws for the sockets.
//
// Environment: PORT, DATABASE (an SQLite file, which is replaced), AUTH_TOKEN (Twilio's), JWT_SECRET. The packages are
// installed elsewhere and found through NODE_PATH, which only `require` uses; hence no ES modules.

const http = require('http');
const querystring = require('querystring');
const { useServer } = require('graphql-ws/use/ws');
const { createPubSub, createSchema, createYoga } = require('graphql-yoga');
const { WebSocketServer } = require('ws');
const { userOf } = require('./auth');
const { createContext, resolvers, typeDefs } = require('./schema');
const { TWIML, receive } = require('./webhook');

const bus = createPubSub();
const Subscription = { inboundMessage: { subscribe: () => bus.subscribe('texts'), resolve: (event) => event } };
const schema = createSchema({ typeDefs, resolvers: { ...resolvers, Subscription } });
const yoga = createYoga({
  schema,
  logging: false,
  graphiql: false,
  maskedErrors: false,
  context: ({ request }) => createContext(request.headers.get('authorization')),
});

async function webhook(request, response, body) {
  const received = await receive(request.url, querystring.parse(body), request.headers['x-twilio-signature']);
  if (!received) {
    response.statusCode = 403;
    response.end();
    return;
  }
  response.setHeader('content-type', 'text/xml');
  response.setHeader('content-length', TWIML.length);
  response.end(TWIML);
  if (received.event) bus.publish('texts', received.event);
}

const server = http.createServer((request, response) => {
  if (!request.url.startsWith('/api/')) return yoga(request, response);
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (data) => (body += data));
  request.on('end', () => webhook(request, response, body));
});

const sockets = new WebSocketServer({ server, path: '/graphql/ws', perMessageDeflate: false });
useServer({ schema, onConnect: ({ connectionParams }) => userOf(connectionParams?.authorization) !== null }, sockets);
server.listen(Number(process.env.PORT), '127.0.0.1');
