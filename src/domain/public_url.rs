//! Checks whether Twilio can use a public URL. Twilio connects from the internet, so it reaches public hosts only.
//! Source: Twilio, "Error 21609: invalid StatusCallback URL"; IANA, "Special-Purpose Address Registries".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The reason why Twilio cannot use a URL, or should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    #[error("the host is a loopback address, which Twilio cannot reach")]
    Loopback,
    #[error("the host is in a private network, which Twilio cannot reach")]
    Private,
    #[error("the host name contains an underscore, and Twilio refuses such URLs with error 21609")]
    Underscore,
    #[error("the URL is plain http, so texts and calls would travel unencrypted")]
    PlainHttp,
}

/// Top-level names that resolve inside a private network only. Sources: RFC 6762, RFC 8375, ICANN resolution
/// 2024.07.29.06.
const PRIVATE_SUFFIXES: [&str; 4] = [".local", ".internal", ".home.arpa", ".lan"];

/// The first problem of a public URL; `None` if Twilio can use it. Names are not resolved.
pub fn url_problem(url: &Url) -> Option<UrlProblem> {
    let by_host = match url.host()? {
        Host::Domain(name) => name_problem(name.trim_end_matches('.')),
        Host::Ipv4(address) => address_problem(address.into()),
        Host::Ipv6(address) => address_problem(address.into()),
    };
    by_host.or((url.scheme() != "https").then_some(UrlProblem::PlainHttp))
}

fn name_problem(name: &str) -> Option<UrlProblem> {
    if name == "localhost" || name.ends_with(".localhost") {
        Some(UrlProblem::Loopback)
    } else if name.contains('_') {
        Some(UrlProblem::Underscore)
    } else if !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        Some(UrlProblem::Private)
    } else {
        None
    }
}

fn address_problem(address: IpAddr) -> Option<UrlProblem> {
    match address.to_canonical() {
        address if address.is_loopback() || address.is_unspecified() => Some(UrlProblem::Loopback),
        IpAddr::V4(address) => is_private_v4(address).then_some(UrlProblem::Private),
        IpAddr::V6(address) => is_private_v6(address).then_some(UrlProblem::Private),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    // 100.64.0.0/10 is shared by the customers of a carrier-grade NAT.
    let [first, second, ..] = address.octets();
    address.is_private() || address.is_link_local() || (first == 100 && (64..128).contains(&second))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_unique_local() || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_urls_of_public_hosts_have_no_problem() {
        use UrlProblem::{Loopback, PlainHttp, Private, Underscore};
        for (url, expected) in [
            ("https://partyline.example", None),
            ("https://partyline.example:8443/api/twilio/webhook#rc=5", None),
            ("https://8.8.8.8", None),
            ("https://100.128.0.1", None),
            ("https://172.32.0.1", None),
            ("https://[2606:4700::1]", None),
            ("http://partyline.example", Some(PlainHttp)),
            ("http://8.8.8.8", Some(PlainHttp)),
            ("https://my_clinic.example", Some(Underscore)),
            ("http://127.0.0.1:8080", Some(Loopback)),
            ("https://127.1", Some(Loopback)),
            ("https://0.0.0.0", Some(Loopback)),
            ("https://[::1]", Some(Loopback)),
            ("https://[::]", Some(Loopback)),
            ("https://[::ffff:127.0.0.1]", Some(Loopback)),
            ("https://localhost", Some(Loopback)),
            ("https://LOCALHOST.", Some(Loopback)),
            ("https://partyline.localhost", Some(Loopback)),
            ("https://10.0.0.5", Some(Private)),
            ("https://172.16.0.1", Some(Private)),
            ("https://192.168.1.20", Some(Private)),
            ("https://169.254.169.254", Some(Private)),
            ("https://100.64.0.1", Some(Private)),
            ("https://[fd00::1]", Some(Private)),
            ("https://[fe80::1]", Some(Private)),
            ("https://[::ffff:10.0.0.5]", Some(Private)),
            ("https://partyline", Some(Private)),
            ("https://partyline.local", Some(Private)),
            ("https://partyline.internal", Some(Private)),
        ] {
            assert_eq!(url_problem(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
