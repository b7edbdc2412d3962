//! Partyline is a server that turns phone numbers into numbers that a team shares.
//!
//! # Modules
//!
//! | module | contents |
//! |---|---|
//! | [`domain`] | business rules as pure functions |
//! | [`entity`] | SeaORM models, one per table |
//! | [`store`] | all queries, and the writer |
//! | [`ports`] | clock, id generator, randomness and Twilio's REST API |
//! | [`admission`] | rate limits per user, agency and IP address |
//! | [`events`] | live subscriptions to each agency's event log |
//! | [`service`] | use cases, one per file |
//! | [`metrics`] | counters and histograms, and the status of background tasks |
//! | `http` | request bodies, authentication and observation, shared by the transports |
//! | [`graphql`] | the GraphQL API and its WebSocket |
//! | [`twilio`] | Twilio's webhooks |
//! | [`rest`] | assignments and extensions as JSON; health and metrics |
//! | [`worker`] | background tasks, started by a signal or a timer |
//! | [`config`] | settings |
//! | [`app`], [`startup`], [`server`], [`shutdown`], [`telemetry`] | the wiring |
//!
//! The crate `partyline-simulator` is a simulated Twilio. It shares no code with this crate.
//!
//! # Dependency rule
//!
//! A module uses only itself and the modules after its arrow. `tests/it/architecture.rs` reads these lines and checks
//! every file. The wiring is not listed: it may use everything, and nothing uses it.
//!
//! ```text
//! domain -> nothing, and no framework
//! entity -> domain
//! ports -> domain
//! admission -> domain, ports
//! store -> entity, domain, ports
//! events -> store, entity, domain, ports
//! service -> events, store, entity, domain, ports
//! metrics -> admission, service, store, domain
//! http -> metrics, admission, service, ports
//! graphql -> http, metrics, admission, events, service, store, entity, domain, ports
//! twilio -> http, metrics, service, domain, ports
//! rest -> http, metrics, admission, service, store, entity, domain, ports
//! worker -> metrics, service, events, store, domain, ports
//! config -> admission, store, domain, ports
//! ```
//!
//! Transports do not query the database, except that GraphQL loaders call `store`.

pub mod admission;
pub mod app;
pub mod config;
pub mod domain;
pub mod entity;
pub mod events;
pub mod graphql;
mod http;
pub mod metrics;
pub mod ports;
pub mod rest;
mod security_headers;
pub mod server;
pub mod service;
pub mod shutdown;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod twilio;
pub mod worker;
