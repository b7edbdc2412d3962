//! Resolves host names to public addresses only.
//!
//! The connection is made to the addresses that were checked. A check before the request would resolve the name twice,
//! and the second answer could differ (DNS rebinding).

use std::error::Error;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use crate::domain::public_address::is_public;

/// None of the addresses of a name is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name has no public address")]
pub struct NoPublicAddress;

/// A resolver for `reqwest`. Hosts that are literal addresses do not pass through it.
#[derive(Debug, Clone, Copy)]
pub struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let public = only_public(found)?;
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn only_public(found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, NoPublicAddress> {
    let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
    if public.is_empty() { Err(NoPublicAddress) } else { Ok(public) }
}

/// Whether a request failed because its host has no public address.
pub fn has_no_public_address(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if error.is::<NoPublicAddress>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_public_are_left_out() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let found = ["10.0.0.1:0", "8.8.8.8:0", "[::1]:0", "[2606:4700::1111]:0"].map(address);
        let public = only_public(found.into_iter());
        assert_eq!(public, Ok(vec![address("8.8.8.8:0"), address("[2606:4700::1111]:0")]));
        assert_eq!(only_public([address("127.0.0.1:0")].into_iter()), Err(NoPublicAddress));
    }

    #[tokio::test]
    async fn a_request_to_a_name_of_this_machine_fails_before_it_connects() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().dns_resolver(PublicNames).build().unwrap();
        for host in ["localhost", "LOCALHOST", "localhost:443"] {
            let error = client.get(format!("https://{host}/")).send().await.unwrap_err();
            assert!(has_no_public_address(&error), "{host}: {error:?}");
        }
    }
}
