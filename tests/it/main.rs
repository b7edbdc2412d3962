//! THE integration tests: one program, a server and a database of its own for each test.
//!
//! They run on SQLite, or on the server that PARTYLINE_TEST_DATABASE_URL names.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what cannot go on has failed")]

mod at_rest;
mod bad_input;
mod calls;
mod canary;
mod channels;
mod claims;
mod command_line;
mod database_away;
mod directory_file;
mod disk_full;
mod doctor;
mod house;
mod http;
mod instances;
mod isolation;
mod issuer;
mod kill;
mod live;
mod migrations;
mod misdirected;
mod model;
mod no_database;
mod opt_out;
mod opt_out_hints;
mod own_numbers;
mod poison;
mod privacy;
mod protocol;
mod quarantine;
mod races;
mod reopening;
mod rest;
mod restore;
mod routing;
mod search;
mod sending;
mod shared;
mod simulator;
mod simulator_calls;
mod simulator_fallback;
mod simulator_services;
mod support;
mod tokens;
mod variables;
