//! The listening TCP sockets of this network namespace, as the kernel lists them (`sock_diag`).
//!
//! Where the kernel does not answer (a sandbox, a module that is missing), the text files in `/proc/net` say the
//! same. They come second: the kernel walks the table of all connections for them, 7 ms each on a machine with
//! much memory, however few connections there are.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::fs;

/// Sizes and numbers of `linux/netlink.h`, `linux/sock_diag.h` and `linux/inet_diag.h`.
const HEADER: usize = 16;
const REQUEST_DUMP: u16 = 0x1 | 0x300;
/// The table changed while it was listed, and some of it may be missing.
const INTERRUPTED: u16 = 0x10;
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const TCP: u8 = 6;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
const LISTENING: u32 = 1 << 10;
/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";
/// The kernel answers at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// A listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Where it listens; an IPv4 address that is written as an IPv6 one counts as what it is.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Whose it is.
    pub uid: u32,
    /// Its number, as in `/proc/PID/fd`.
    pub inode: u64,
}

impl Socket {
    /// Whether it is the one that a connection to 127.0.0.1 reaches before all others.
    pub fn is_loopback(&self) -> bool {
        self.address == IpAddr::V4(Ipv4Addr::LOCALHOST)
    }

    /// Whether one that is to be reached at `localhost` cannot listen beside it: it has that address, or all.
    /// Whoever listens on another address of the machine is in nobody's way there.
    pub fn is_in_the_way(&self) -> bool {
        self.is_loopback()
            || self.address == IpAddr::V6(Ipv6Addr::LOCALHOST)
            || self.address.is_unspecified()
    }
}

/// All of them.
pub fn listening() -> io::Result<Vec<Socket>> {
    ask_kernel().or_else(|_| read_tables())
}

fn ask_kernel() -> io::Result<Vec<Socket>> {
    let (kind, flags) = (SocketType::DGRAM, SocketFlags::CLOEXEC);
    let protocol = Some(netlink::SOCK_DIAG);
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, kind, flags, protocol)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    let mut found = Vec::new();
    let mut answer = vec![0_u8; 32 * 1024];
    for family in [IPV4, IPV6] {
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&socket, &request(family), SendFlags::empty(), &kernel)?;
        loop {
            let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
            let part = answer.get(..length).unwrap_or_default();
            if read_answer(part, &mut found)? {
                break;
            }
        }
    }
    Ok(found)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`: all TCP sockets of the family that listen.
fn request(family: u8) -> Vec<u8> {
    const LENGTH: u32 = 16 + 56;
    let mut bytes = Vec::with_capacity(LENGTH as usize);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, 0, 0]);
    bytes.extend(LISTENING.to_ne_bytes());
    bytes.resize(LENGTH as usize, 0);
    bytes
}

/// Adds what one datagram lists. `true`: it was the last one.
fn read_answer(mut rest: &[u8], found: &mut Vec<Socket>) -> io::Result<bool> {
    let odd = || io::Error::from(io::ErrorKind::InvalidData);
    while !rest.is_empty() {
        let length = rest.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)).ok_or_else(odd)?;
        let length = usize::try_from(length).ok().filter(|length| *length >= HEADER);
        let length = length.ok_or_else(odd)?;
        let message = rest.get(..length).ok_or_else(odd)?;
        let number = |at: usize| {
            let bytes = message.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u16::from_ne_bytes).ok_or_else(odd)
        };
        if number(6)? & INTERRUPTED != 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match number(4)? {
            DONE => return status(message).map(|()| true),
            ERROR => return Err(io::ErrorKind::Unsupported.into()),
            BY_FAMILY => found.push(socket(&message[HEADER..]).ok_or_else(odd)?),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// How a list came to its end: 0, or the error at which it broke off.
fn status(done: &[u8]) -> io::Result<()> {
    let status = done.get(HEADER..).and_then(|rest| rest.first_chunk());
    match status.map(|bytes| i32::from_ne_bytes(*bytes)) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(error.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// `struct inet_diag_msg`
fn socket(message: &[u8]) -> Option<Socket> {
    let family = *message.first()?;
    let port = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let address: [u8; 16] = message.get(8..24)?.try_into().ok()?;
    let uid = u32::from_ne_bytes(message.get(64..68)?.try_into().ok()?);
    let inode = u32::from_ne_bytes(message.get(68..72)?.try_into().ok()?);
    let address = match family {
        IPV4 => IpAddr::from(*address.first_chunk::<4>()?),
        _ => IpAddr::from(address).to_canonical(),
    };
    Some(Socket { address, port, uid, inode: inode.into() })
}

fn read_tables() -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) => sockets.extend(text.lines().skip(1).filter_map(line)),
            // A kernel without IPv6.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.source),
        }
    }
    Ok(sockets)
}

fn line(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace();
    let (address, port) = fields.nth(1)?.rsplit_once(':')?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Socket { address: read_address(address)?, port, uid, inode })
}

/// Numbers of this machine, of eight digits each: their bytes are the address as it lies in memory.
fn read_address(text: &str) -> Option<IpAddr> {
    let mut bytes = [0_u8; 16];
    let mut count = 0;
    for (part, digits) in bytes.chunks_exact_mut(4).zip(text.as_bytes().chunks(8)) {
        let number = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        part.copy_from_slice(&number.to_ne_bytes());
        count += 1;
    }
    match count {
        1 => bytes.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
        4 => Some(IpAddr::from(bytes).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn at(address: &str, uid: u32) -> Socket {
        Socket { address: address.parse().unwrap(), port: 8080, uid, inode: 12345 }
    }

    #[test]
    fn a_connection_is_no_listener() {
        let text = |address: &str, state: &str| {
            let rest = "00000000:00000000 00:00000000 00000000  1000        0 12345 1";
            line(&format!("  0: {address}:1F90 0100007F:D431 {state} {rest}"))
        };
        assert_eq!(text("0100007F", "01"), None);
        assert_eq!(text("0100007F", LISTEN), Some(at("127.0.0.1", 1000)));
        assert_eq!(text("00000000", LISTEN), Some(at("0.0.0.0", 1000)));
        assert_eq!(text("00000000000000000000000001000000", LISTEN), Some(at("::1", 1000)));
        let mapped = "0000000000000000FFFF00000100007F";
        assert_eq!(text(mapped, LISTEN), Some(at("127.0.0.1", 1000)));
        assert_eq!(text("0100007F00", LISTEN), None);
    }

    #[test]
    fn only_who_answers_at_localhost_is_in_the_way() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("0.0.0.0", true),
            ("::", true),
            ("127.0.0.9", false),
            ("192.168.7.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(at(address, 0).is_in_the_way(), expected, "{address}");
        }
    }

    /// One message, as the kernel writes it.
    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_list_that_broke_off_is_none() {
        let mut payload = [0_u8; 72];
        payload[0] = IPV4;
        payload[4..6].copy_from_slice(&8080_u16.to_be_bytes());
        payload[8..12].copy_from_slice(&[127, 0, 0, 1]);
        payload[64..68].copy_from_slice(&1000_u32.to_ne_bytes());
        payload[68..72].copy_from_slice(&12345_u32.to_ne_bytes());
        let listed = |flags: u16, status: &[u8]| {
            let mut found = Vec::new();
            let answer = [message(BY_FAMILY, flags, &payload), message(DONE, flags, status)];
            read_answer(&answer.concat(), &mut found).map(|last| (last, found))
        };
        let whole = listed(0x2, &0_i32.to_ne_bytes()).unwrap();
        assert_eq!(whole, (true, vec![at("127.0.0.1", 1000)]));
        let no_memory = rustix::io::Errno::NOMEM.raw_os_error();
        let error = listed(0x2, &(-no_memory).to_ne_bytes()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(no_memory));
        let error = listed(0x2 | INTERRUPTED, &0_i32.to_ne_bytes()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        assert!(listed(0x2, &[]).is_err(), "nothing says that this is all");
    }

    #[test]
    fn the_kernel_and_its_text_files_say_the_same() {
        let sockets = [
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("0.0.0.0:0").unwrap(),
            TcpListener::bind("[::1]:0").unwrap(),
        ];
        let ports: Vec<u16> =
            sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        // Other tests open and close sockets meanwhile.
        let of_ours = |all: Vec<Socket>| -> Vec<Socket> {
            let mut ours: Vec<_> =
                all.into_iter().filter(|socket| ports.contains(&socket.port)).collect();
            ours.sort_by_key(|socket| ports.iter().position(|port| *port == socket.port));
            ours
        };
        let by_text = of_ours(read_tables().unwrap());
        assert_eq!(by_text.len(), 3);
        let addresses: Vec<String> =
            by_text.iter().map(|socket| socket.address.to_string()).collect();
        assert_eq!(addresses, ["127.0.0.1", "0.0.0.0", "::1"]);
        let us = rustix::process::geteuid().as_raw();
        assert!(by_text.iter().all(|socket| socket.uid == us));
        assert_eq!(of_ours(listening().unwrap()), by_text);
        // A sandbox has no such socket at all. Whoever has one gets an answer.
        let (kind, flags) = (SocketType::DGRAM, SocketFlags::CLOEXEC);
        let protocol = Some(netlink::SOCK_DIAG);
        if rustix::net::socket_with(AddressFamily::NETLINK, kind, flags, protocol).is_ok() {
            assert_eq!(of_ours(ask_kernel().unwrap()), by_text);
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_an_error_and_no_panic() {
        let mut found = Vec::new();
        for bytes in [&[1_u8, 2][..], &[0; 16], &[255; 64], &[16, 0, 0, 0, 20, 0, 0, 0]] {
            assert!(read_answer(bytes, &mut found).is_err(), "{bytes:?}");
        }
        assert_eq!(found, []);
    }
}
