-- The tables of the peers and of the raw server, with one agency of 50 users and 100 numbers, each with a pool of 5.

create table if not exists users(
  id integer primary key,
  key text not null unique,
  name text not null
);

create table if not exists numbers(
  id integer primary key,
  agency_id integer not null,
  e164 text not null unique,
  label text not null
);

create table if not exists number_assignments(
  id integer primary key,
  number_id integer not null references numbers(id),
  user_id integer not null references users(id),
  sms_access integer not null default 1,
  unique(number_id, user_id)
);

create table if not exists contacts(
  id integer primary key,
  agency_id integer not null,
  phone text not null,
  name text,
  updated_at integer not null default 0,
  unique(agency_id, phone)
);

create table if not exists threads(
  id integer primary key,
  agency_id integer not null,
  number_id integer not null references numbers(id),
  contact_id integer not null references contacts(id),
  status text not null default 'UNCLAIMED',
  assignee_id integer references users(id),
  last_message_id integer,
  last_message_at integer not null default 0,
  unique(number_id, contact_id)
);
create index if not exists threads_recent on threads(agency_id, last_message_at desc);

create table if not exists messages(
  id integer primary key,
  thread_id integer not null references threads(id),
  direction text not null,
  body text not null,
  sid text not null unique,
  created_at integer not null
);
create index if not exists messages_thread on messages(thread_id, id);

create table if not exists notifications(
  id integer primary key,
  user_id integer not null references users(id),
  thread_id integer not null,
  message_id integer not null references messages(id),
  read_at integer
);
create index if not exists notif_user on notifications(user_id, thread_id) where read_at is null;

create table if not exists events(
  id integer primary key,
  kind text not null,
  thread_id integer not null,
  payload text not null,
  created_at integer not null
);

with recursive series(n) as (select 1 union all select n + 1 from series where n < 50)
insert or ignore into users
select n, printf('u%02d', n), 'User ' || n from series;

with recursive series(n) as (select 0 union all select n + 1 from series where n < 99)
insert or ignore into numbers
select n + 1, 1, printf('+1303555%04d', 100 + n), 'Line ' || n from series;

with recursive
  series(n) as (select 0 union all select n + 1 from series where n < 99),
  places(k) as (select 0 union all select k + 1 from places where k < 4)
insert or ignore into number_assignments(number_id, user_id)
select n + 1, 1 + ((n * 7 + k * 11) % 50) from series, places;
