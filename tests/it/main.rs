//! The integration tests: one binary; each test has its own server and database.
//!
//! They run on SQLite, or on the database server that PARTYLINE_TEST_DATABASE_URL names.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod architecture;
mod at_rest;
mod bad_input;
mod calls;
mod canary;
mod channels;
mod claims;
mod command_line;
mod contacts;
mod database_outage;
mod directory_file;
mod disk_full;
mod doctor;
mod documents;
mod http;
mod instances;
mod isolation;
mod issuer;
mod kill;
mod live;
mod metrics;
mod migrations;
mod misdirected;
mod model;
mod no_database;
mod opt_out;
mod opt_out_hints;
mod own_numbers;
mod panics;
mod poison;
mod privacy;
mod protocol;
mod quarantine;
mod races;
mod reopening;
mod rest;
mod restore;
mod routing;
mod schema_descriptions;
mod search;
mod sending;
mod shared;
mod simulator;
mod simulator_calls;
mod simulator_fallback;
mod simulator_services;
mod support;
mod thread_facts;
mod thread_lists;
mod timeline;
mod tokens;
mod variables;
mod viewer_updates;
