// The part of Partyline's schema that is compared, for both peers: the inbox, a claim, and the subscription to inbound
// texts, with data loaders for the nested rows.

const DataLoader = require('dataloader');
const { userOf } = require('./auth');
const { all, run } = require('./database');

const typeDefs = `
  enum ThreadStatus { UNCLAIMED CLAIMED CLOSED }
  type Contact { name: String phone: String! }
  type User { name: String! }
  type PhoneNumber { label: String! }
  type Message { id: ID! body: String! createdAt: String! direction: String! }
  type Thread {
    id: ID!
    status: String!
    unreadCount: Int!
    phoneNumber: PhoneNumber!
    contact: Contact!
    assignee: User
    lastMessage: Message
  }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type Threads { nodes: [Thread!]! pageInfo: PageInfo! }
  input ThreadFilter { status: [ThreadStatus!] }

  type UserError { code: String! }
  input ClaimThreadInput { threadId: ID! }
  type ClaimThreadPayload { thread: Thread userErrors: [UserError!]! }

  type EventThread { id: ID! status: String! contact: Contact! }
  type InboundMessageEvent { cursor: String! message: Message! thread: EventThread! }

  type Query { threads(first: Int = 25, after: String, filter: ThreadFilter): Threads! }
  type Mutation { claimThread(input: ClaimThreadInput!): ClaimThreadPayload! }
  type Subscription { inboundMessage: InboundMessageEvent! }
`;

/** The rows with these ids, in their order. The ids replace `(…)` in the statement and follow the other values. */
async function rowsById(sql, ids, { key = 'id', values = [] } = {}) {
  const places = ids.map(() => '?').join(',');
  const rows = all(sql.replace('(…)', `(${places})`), ...values, ...ids);
  const byId = new Map(rows.map((row) => [row[key], row]));
  return ids.map((id) => byId.get(id) ?? null);
}

const UNREAD = `select thread_id,count(*) n from notifications
  where user_id=? and read_at is null and thread_id in (…) group by thread_id`;

/** The context of a request: the user and the loaders. */
function createContext(authorization) {
  const user = userOf(authorization);
  const unread = async (ids) => {
    const rows = await rowsById(UNREAD, ids, { key: 'thread_id', values: [user] });
    return rows.map((row) => (row ? row.n : 0));
  };
  return {
    user,
    contacts: new DataLoader((ids) => rowsById('select * from contacts where id in (…)', ids)),
    users: new DataLoader((ids) => rowsById('select * from users where id in (…)', ids)),
    numbers: new DataLoader((ids) => rowsById('select * from numbers where id in (…)', ids)),
    messages: new DataLoader((ids) => rowsById('select * from messages where id in (…)', ids)),
    unread: new DataLoader(unread),
  };
}

function requireUser({ user }) {
  if (!user) throw new Error('UNAUTHENTICATED');
  return user;
}

const CLAIM = `update threads set assignee_id=?, status='CLAIMED'
  where id=? and (assignee_id is null or assignee_id=?)`;

const resolvers = {
  Query: {
    async threads(_, { first, after, filter }, context) {
      requireUser(context);
      const skip = Number(after ?? 0);
      const unclaimed = filter ? "and status='UNCLAIMED'" : '';
      const nodes = all(
        `select * from threads where agency_id=1 ${unclaimed} order by last_message_at desc limit ? offset ?`,
        first,
        skip,
      );
      return { nodes, pageInfo: { hasNextPage: nodes.length === first, endCursor: String(skip + nodes.length) } };
    },
  },
  Mutation: {
    async claimThread(_, { input }, context) {
      const user = requireUser(context);
      const id = Number(input.threadId.slice('thr_'.length));
      const won = run(CLAIM, user, id, user) === 1;
      const [thread] = all('select * from threads where id=?', id);
      return { thread, userErrors: won ? [] : [{ code: 'ALREADY_CLAIMED' }] };
    },
  },
  Thread: {
    id: (thread) => `thr_${thread.id}`,
    phoneNumber: (thread, _, { numbers }) => numbers.load(thread.number_id),
    contact: (thread, _, { contacts }) => contacts.load(thread.contact_id),
    assignee: (thread, _, { users }) => (thread.assignee_id ? users.load(thread.assignee_id) : null),
    lastMessage: (thread, _, { messages }) => (thread.last_message_id ? messages.load(thread.last_message_id) : null),
    unreadCount: (thread, _, { unread }) => unread.load(thread.id),
  },
  // A message is a row in the inbox, and already has the form of the schema in an event.
  Message: {
    id: (message) => (typeof message.id === 'string' ? message.id : `msg_${message.id}`),
    createdAt: (message) => message.createdAt ?? new Date(Number(message.created_at)).toISOString(),
  },
};

module.exports = { typeDefs, resolvers, createContext };
