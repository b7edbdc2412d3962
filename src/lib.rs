pub mod domain;
pub mod entity;
pub mod ports;
pub mod store;
pub mod events;
pub mod service;
