//! THE integration tests: one program, a server and a database of its own for each test.
//!
//! They run on SQLite, or on the server that PARTYLINE_TEST_DATABASE_URL names.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what cannot go on has failed")]

mod bad_input;
mod calls;
mod canary;
mod claims;
mod database_away;
mod disk_full;
mod house;
mod http;
mod instances;
mod isolation;
mod issuer;
mod kill;
mod live;
mod migrations;
mod model;
mod no_database;
mod opt_out;
mod poison;
mod protocol;
mod quarantine;
mod races;
mod reopening;
mod rest;
mod routing;
mod sending;
mod shared;
mod simulator;
mod simulator_calls;
mod support;
