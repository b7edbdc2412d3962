//! Partyline turns phone numbers into something a team shares.
//!
//! # The house
//!
//! | module | holds |
//! |---|---|
//! | [`domain`] | what is decided, purely |
//! | [`entity`] | SeaORM models, one per table |
//! | [`store`] | every query, and the one way to write |
//! | [`ports`] | time, names, randomness, Twilio's API |
//! | [`admission`] | what one user, agency or address may ask at a time |
//! | [`events`] | each agency's log, followed live |
//! | [`service`] | one use case per file |
//! | [`graphql`] | the API, and its WebSocket |
//! | [`twilio`] | the webhooks |
//! | [`rest`] | assignments and extensions as JSON; health, metrics |
//! | [`worker`] | what runs by signal or timer |
//! | [`simulator`] | a carrier to try it with, reached only over HTTP |
//! | [`config`], [`app`], [`startup`], [`server`], [`shutdown`], [`telemetry`] | the wiring |
//!
//! # The dependency rule
//!
//! `graphql | twilio | rest | worker → service → store, domain, ports, events`;
//! `graphql | rest → admission → domain, ports`; `events → store`; `store → entity, domain, ports`; `entity, ports → domain`; `domain` knows no framework;
//! `simulator → ports`.
//! Transports never query; loaders call `store`. `tests/it/house.rs` reads the `use` lines.

pub mod admission;
pub mod app;
pub mod config;
pub mod domain;
pub mod entity;
pub mod events;
pub mod graphql;
pub mod ports;
pub mod rest;
mod security_headers;
pub mod server;
pub mod service;
pub mod shutdown;
pub mod simulator;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod twilio;
pub mod worker;
