//! The address of a client behind proxies.

use std::net::IpAddr;

use ipnet::IpNet;

/// The networks of proxies that name the client in `X-Forwarded-For`.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Parses networks and addresses separated by commas, such as `127.0.0.0/8, ::1`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let networks = names.map(|name| name.parse().or_else(|_| name.parse().map(IpAddr::into)));
        let networks: Result<_, _> = networks.collect();
        networks.map(Self).map_err(|_| "networks or addresses, separated by commas: 10.0.0.0/8, 127.0.0.1")
    }

    /// Returns the last address that is not a trusted proxy. Each proxy appends the address of its peer to the header,
    /// so the client may have forged all addresses before that one.
    pub(super) fn client<'a>(&self, peer: IpAddr, forwarded_for: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        for name in forwarded_for.flat_map(|header| header.split(',')).collect::<Vec<_>>().into_iter().rev() {
            if !self.0.iter().any(|network| network.contains(&client)) {
                break;
            }
            let Ok(before) = name.trim().parse::<IpAddr>() else { break };
            client = before.to_canonical();
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_last_address_that_is_not_a_trusted_proxy() {
        let proxies = TrustedProxies::parse("127.0.0.0/8, ::1, 10.1.0.0/16").unwrap();
        for (peer, headers, client) in [
            ("203.0.113.7", vec![], "203.0.113.7"),
            ("203.0.113.7", vec!["198.51.100.1"], "203.0.113.7"),
            ("127.0.0.1", vec![], "127.0.0.1"),
            ("127.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            ("::ffff:127.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", vec!["192.0.2.9, 198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", vec!["192.0.2.9", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            ("127.0.0.1", vec!["unknown, 10.1.2.3"], "10.1.2.3"),
            ("::1", vec!["2001:db8::5"], "2001:db8::5"),
        ] {
            let found = proxies.client(peer.parse().unwrap(), headers.into_iter());
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer}");
        }
    }

    #[test]
    fn networks_and_addresses_are_parsed() {
        assert!(TrustedProxies::parse("").is_ok());
        assert!(TrustedProxies::parse("10.0.0.0/8,192.0.2.1, 2001:db8::/32").is_ok());
        for wrong in ["10.0.0.0/33", "proxy.example", "10.0.0.0/8 10.1.0.0/16"] {
            assert!(TrustedProxies::parse(wrong).is_err(), "{wrong}");
        }
    }
}
