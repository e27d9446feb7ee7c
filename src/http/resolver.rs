//! Names to addresses that the guard has passed: the connector never sees another.
//!
//! A name is looked up once for each connection, and the addresses that were checked are those
//! that are connected to, so an answer that changes in between (DNS rebinding) gains nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::guard::Guard;
use super::route::BoxFuture;

/// Looks names up; the system's resolver, or a table in tests.
pub trait Lookup: Send + Sync {
    /// All addresses of `host`.
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>>;
}

/// The system's resolver: hosts file, then DNS.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.take(MOST_ADDRESSES).map(|address| address.ip()).collect())
        })
    }
}

/// More addresses than this of one name are not tried: a hostile zone could list thousands.
const MOST_ADDRESSES: usize = 16;

/// What reqwest asks: the lookup, then the guard.
#[derive(Clone)]
pub(super) struct GuardedResolver {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) guard: Arc<Guard>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let GuardedResolver { lookup, guard } = self.clone();
        Box::pin(async move {
            let found = lookup.lookup(name.as_str()).await?;
            let passed = pass(&guard, &found)?;
            Ok(Box::new(passed.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be connected to; an error when there is none.
fn pass(
    guard: &Guard,
    found: &[IpAddr],
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let mut passed = Vec::with_capacity(found.len());
    let mut refused = None;
    for address in found.iter().take(MOST_ADDRESSES) {
        match guard.check(*address) {
            Ok(()) => passed.push(SocketAddr::new(*address, 0)),
            Err(forbidden) => refused = Some(forbidden),
        }
    }
    match refused {
        _ if !passed.is_empty() => Ok(passed),
        Some(forbidden) => Err(Box::new(forbidden)),
        None => Err(Box::new(std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "the name has no address",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::guard::Forbidden;

    #[test]
    fn only_checked_addresses_are_handed_on() {
        let guard = Guard::default();
        let mixed: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "8.8.8.8".parse().unwrap()];
        let passed = pass(&guard, &mixed).unwrap();
        assert_eq!(passed, vec!["8.8.8.8:0".parse::<SocketAddr>().unwrap()]);
        let error = pass(&guard, &mixed[..1]).unwrap_err();
        assert_eq!(error.downcast_ref::<Forbidden>().unwrap().kind, "private");
        assert!(pass(&guard, &[]).unwrap_err().downcast_ref::<Forbidden>().is_none());
    }
}
