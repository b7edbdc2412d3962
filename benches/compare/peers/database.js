// The peers' SQLite database: the tables of schema.sql in a fresh file, and the rows of an inbound text.

const fs = require('fs');
const path = require('path');
const Database = require('better-sqlite3');

const file = process.env.DATABASE;
for (const suffix of ['', '-wal', '-shm']) fs.rmSync(file + suffix, { force: true });
const database = new Database(file);
const pragmas = [
  'journal_mode=wal',
  'synchronous=full',
  'foreign_keys=on',
  'cache_size=-65536',
  'mmap_size=268435456',
  'busy_timeout=10000',
];
for (const pragma of pragmas) database.pragma(pragma);
database.exec(fs.readFileSync(path.join(__dirname, '../schema.sql'), 'utf8'));

const statements = new Map();

/** A prepared statement, which is prepared once. */
function statement(sql) {
  if (!statements.has(sql)) statements.set(sql, database.prepare(sql));
  return statements.get(sql);
}

/** The rows that a statement returns. */
const all = (sql, ...values) => statement(sql).all(...values);

/** The number of rows that a statement changes. */
const run = (sql, ...values) => statement(sql).run(...values).changes;

const NUMBER = 'select id, agency_id, label from numbers where e164=?';
const CONTACT = `insert into contacts(agency_id,phone,updated_at) values(?,?,?)
  on conflict(agency_id,phone) do update set updated_at=excluded.updated_at returning id`;
const THREAD = `insert into threads(agency_id,number_id,contact_id,last_message_at) values(?,?,?,?)
  on conflict(number_id,contact_id) do update set last_message_at=excluded.last_message_at returning id`;
const MESSAGE = `insert into messages(thread_id,direction,body,sid,created_at) values(?,'INBOUND',?,?,?)
  on conflict(sid) do nothing returning id`;
const LAST_MESSAGE = 'update threads set last_message_id=? where id=?';
const NOTIFICATIONS = `insert into notifications(user_id,thread_id,message_id)
  select user_id,cast(? as bigint),cast(? as bigint) from number_assignments where number_id=? and sms_access=1`;
const EVENT = "insert into events(kind,thread_id,payload,created_at) values('message.received',?,?,?)";

/** Stores an inbound text; returns null if the number is unknown or the message SID is already stored. */
const insertText = database.transaction((form, now) => {
  const number = statement(NUMBER).get(form.To);
  if (!number) return null;
  const contact = statement(CONTACT).get(number.agency_id, form.From, now).id;
  const thread = statement(THREAD).get(number.agency_id, number.id, contact, now).id;
  const message = statement(MESSAGE).get(thread, form.Body, form.MessageSid, now)?.id;
  if (!message) return null;
  run(LAST_MESSAGE, message, thread);
  run(NOTIFICATIONS, thread, message, number.id);
  run(EVENT, thread, JSON.stringify({ message_id: message, body: form.Body }), now);
  return { message, thread };
});

module.exports = { all, run, insertText };
