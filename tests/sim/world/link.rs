//! Links between addresses: late, lossy, repeating and reordering, as the seed wants it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use offhook::base::{Duration, Rng};

/// How a link treats datagrams; chances from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub delay: Duration,
    /// Up to so much more, which reorders by itself.
    pub jitter: Duration,
    pub loss: f64,
    pub duplication: f64,
    /// Datagrams that arrive 40 ms later than they should.
    pub reordering: f64,
}

impl Default for Link {
    fn default() -> Self {
        Link {
            delay: Duration::from_millis(5),
            jitter: Duration::ZERO,
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
        }
    }
}

impl Link {
    /// One over which so much is lost and everything else goes wrong as well.
    pub fn bad(loss: f64) -> Link {
        Link {
            delay: Duration::from_millis(30),
            jitter: Duration::from_millis(15),
            loss,
            duplication: 0.05,
            reordering: 0.05,
        }
    }
}

/// All links: one by default, others by the address at either end.
pub struct Network {
    pub usual: Link,
    special: BTreeMap<IpAddr, Link>,
    rng: Rng,
}

impl Network {
    pub fn new(rng: Rng) -> Network {
        Network { usual: Link::default(), special: BTreeMap::new(), rng }
    }

    /// The link of one address.
    pub fn set(&mut self, address: IpAddr, link: Link) {
        self.special.insert(address, link);
    }

    /// When copies of a datagram arrive: none if it is lost.
    pub fn carry(&mut self, from: IpAddr, to: IpAddr) -> Vec<Duration> {
        let special = self.special.get(&to).or_else(|| self.special.get(&from));
        let link = *special.unwrap_or(&self.usual);
        let copies = 1 + usize::from(self.chance(link.duplication));
        let mut arrivals = Vec::with_capacity(copies);
        for _ in 0..copies {
            if self.chance(link.loss) {
                continue;
            }
            let jitter = link.jitter.as_micros() as u64;
            let mut delay = link.delay + Duration::from_micros(self.rng.below(jitter.max(1)));
            if self.chance(link.reordering) {
                delay += Duration::from_millis(40);
            }
            arrivals.push(delay);
        }
        arrivals
    }

    fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.unit() < probability
    }
}
