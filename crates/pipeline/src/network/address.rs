//! Kinds of IP addresses: those of the internet, those of somebody's own network, and those that only
//! machines talk to.
//!
//! The tables are those of <https://www.iana.org/assignments/iana-ipv4-special-registry> and of its IPv6
//! twin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: its address, and how many bits of it count.
type Network4 = ([u8; 4], u32);
type Network6 = ([u16; 8], u32);

/// Networks that are not the internet's.
const NOT_PUBLIC_V4: [Network4; 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// The same among those of IPv6 that begin as the internet's do.
const NOT_PUBLIC_V6: [Network6; 4] = [
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// The internet's part of IPv6.
const PUBLIC_V6: Network6 = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Networks to which no name leads in good faith: this host by another name, neighbours on the wire, groups,
/// and where clouds keep what they know about a machine (Azure's is a public address).
const MACHINES_V4: [Network4; 7] = [
    ([0, 0, 0, 0], 8),
    ([100, 100, 100, 200], 32),
    ([168, 63, 129, 16], 32),
    ([169, 254, 0, 0], 16),
    ([192, 0, 0, 192], 32),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

const MACHINES_V6: [Network6; 5] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], 128),
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 32),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

/// Returns whether the address is one of the internet's, that anybody may reach.
pub(super) fn is_public(address: IpAddr) -> bool {
    match translated(address) {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => {
            is_in_v6(address, &[PUBLIC_V6])
                && !is_in_v6(address, &NOT_PUBLIC_V6)
                && carried(address).all(is_public_v4)
        }
    }
}

/// Returns whether the address is one that only machines talk to, such as a cloud's metadata service.
pub(super) fn is_of_machines(address: IpAddr) -> bool {
    match translated(address) {
        IpAddr::V4(address) => is_in_v4(address, &MACHINES_V4),
        IpAddr::V6(address) => {
            is_in_v6(address, &MACHINES_V6) || carried(address).any(|v4| is_in_v4(v4, &MACHINES_V4))
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !is_in_v4(address, &NOT_PUBLIC_V4) && !is_in_v4(address, &MACHINES_V4)
}

/// Returns the address of IPv4 that one of IPv6 stands for everywhere, or else the address itself.
fn translated(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.segments() {
        // The host itself, in both families.
        [0, 0, 0, 0, 0, 0, 0, 1] => IpAddr::V4(Ipv4Addr::LOCALHOST),
        [0, 0, 0, 0, 0, 0, 0, 0] => address,
        // IPv4-compatible, IPv4-mapped, IPv4-translated.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            IpAddr::V4(v4(high, low))
        }
        // NAT64 by its well-known prefix (RFC 6052), 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => IpAddr::V4(v4(high, low)),
        _ => address,
    }
}

/// Returns the addresses of IPv4 that one of IPv6 may lead to beside what it is itself, which depends on the
/// network.
fn carried(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let segments = address.segments();
    let octets = address.octets();
    let found: Vec<Ipv4Addr> = match segments {
        // ISATAP (RFC 5214) within the network of anybody.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => vec![v4(high, low)],
        // NAT64 by a prefix of one's own (RFC 8215), which is 48, 56, 64 or 96 bits long: the octet 8 is left
        // out.
        [0x64, 0xff9b, 1, ..] => vec![
            Ipv4Addr::new(octets[6], octets[7], octets[9], octets[10]),
            Ipv4Addr::new(octets[7], octets[9], octets[10], octets[11]),
            Ipv4Addr::new(octets[9], octets[10], octets[11], octets[12]),
            v4(segments[6], segments[7]),
        ],
        _ => Vec::new(),
    };

    // Where the prefix is longer, zeros stand in the places of the shorter ones.
    found.into_iter().filter(|v4| v4.octets()[0] != 0)
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

fn is_in_v4(address: Ipv4Addr, networks: &[Network4]) -> bool {
    let bits = u32::from(address);
    networks.iter().any(|(network, length)| {
        let differ = bits ^ u32::from_be_bytes(*network);
        differ.leading_zeros() >= *length
    })
}

fn is_in_v6(address: Ipv6Addr, networks: &[Network6]) -> bool {
    let bits = u128::from(address);
    networks.iter().any(|(network, length)| {
        let differ = bits ^ u128::from(Ipv6Addr::from(*network));
        differ.leading_zeros() >= *length
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    fn of_machines(text: &str) -> bool {
        is_of_machines(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.169.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            // NAT64 and IPv4-mapped, as networks without IPv4 have them.
            "64:ff9b::1.1.1.1",
            "::ffff:1.1.1.1",
            "2002:101:101::1",
        ] {
            assert!(public(text) && !of_machines(text), "{text}");
        }
    }

    #[test]
    fn private_addresses_are_not_public_in_any_spelling() {
        for text in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "203.0.113.7",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:0:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1:abcd:1:2:10.0.0.1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001:0:1:2:3:4:5:6",
            "2001:db8::1",
            "2a00:1450::5efe:10.0.0.1",
            "64:ff9b:1::1.1.1.1",
            "fd12::5efe:1.1.1.1",
            "2001:db8::200:5efe:1.1.1.1",
            "fc00::1",
            "fd12:3456::1",
            "fec0::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!public(text), "{text}");
        }
    }

    #[test]
    fn metadata_and_the_like_are_of_machines_in_any_spelling() {
        for text in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::200:5efe:169.254.169.254",
            "fe80::5efe:1.1.1.1",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
        ] {
            assert!(of_machines(text) && !public(text), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.0.0.1",
            "::1",
            "fd12::1",
            "100.64.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b:1::10.0.0.1",
        ] {
            assert!(!of_machines(text), "{text}");
        }
    }
}
