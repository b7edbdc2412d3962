//! Many clients that send texts at the same time.

use std::net::SocketAddr;

use super::client::client;
use super::measured::{Measured, Measurement};
use super::text::request;

/// The demo's number, whose pool has three members.
const NUMBER: &str = "+13035550100";
const BODY: &str = "Can I move my appointment on Thursday to the afternoon, please?";

pub(crate) async fn run(server: SocketAddr, clients: usize, texts: usize) -> Measured {
    let each = texts / clients;
    let prepared: Vec<Vec<Vec<u8>>> =
        (0..clients).map(|_| (0..each).map(|_| request(NUMBER, BODY)).collect()).collect();
    let measurement = Measurement::start();
    let running: Vec<_> = prepared.into_iter().map(|requests| tokio::spawn(client(server, requests))).collect();
    let mut times = Vec::with_capacity(texts);
    for client in running {
        times.extend(client.await.unwrap());
    }
    measurement.finish(times)
}
