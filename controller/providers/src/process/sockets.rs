//! The listening TCP sockets of this network namespace, as the kernel lists them (`sock_diag`).
//!
//! Where the kernel does not answer (a sandbox, a module that is missing), the text files in `/proc/net` say the
//! same. They come second: the kernel walks the table of all connections for them, 7 ms each on a machine with
//! much memory, however few connections there are.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::fs;

/// Sizes and numbers of `linux/netlink.h`, `linux/sock_diag.h` and `linux/inet_diag.h`.
const HEADER: usize = 16;
const REQUEST_DUMP: u16 = 0x1 | 0x300;
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
    /// Its address is 127.0.0.1.
    pub loopback: bool,
    /// Its port.
    pub port: u16,
    /// Its number, as in `/proc/PID/fd`.
    pub inode: u64,
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
        let kind = message.get(4..6).and_then(|bytes| bytes.try_into().ok());
        match u16::from_ne_bytes(kind.ok_or_else(odd)?) {
            DONE => return Ok(true),
            ERROR => return Err(io::ErrorKind::Unsupported.into()),
            BY_FAMILY => found.push(socket(&message[HEADER..]).ok_or_else(odd)?),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// `struct inet_diag_msg`
fn socket(message: &[u8]) -> Option<Socket> {
    let family = *message.first()?;
    let port = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let address: [u8; 4] = message.get(8..12)?.try_into().ok()?;
    let inode = u32::from_ne_bytes(message.get(68..72)?.try_into().ok()?);
    let loopback = family == IPV4 && Ipv4Addr::from(address) == Ipv4Addr::LOCALHOST;
    Some(Socket { loopback, port, inode: inode.into() })
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
    let inode = fields.nth(5)?.parse().ok()?;
    // A number of this machine: its bytes are the address as it lies in memory.
    let loopback = u32::from_str_radix(address, 16)
        .is_ok_and(|number| Ipv4Addr::from(number.to_ne_bytes()) == Ipv4Addr::LOCALHOST);
    Some(Socket { loopback, port: u16::from_str_radix(port, 16).ok()?, inode })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_connection_is_no_listener() {
        let text = "  0: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  0        0 12345 1";
        assert_eq!(line(text), None);
        let text = "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0        0 12345 1";
        assert_eq!(line(text), Some(Socket { loopback: true, port: 8080, inode: 12345 }));
        let text = "  0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0        0 12345 1";
        assert_eq!(line(text), Some(Socket { loopback: false, port: 8080, inode: 12345 }));
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
        assert_eq!(
            by_text.iter().map(|socket| socket.loopback).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert_eq!(of_ours(listening().unwrap()), by_text);
        match ask_kernel() {
            Ok(all) => assert_eq!(of_ours(all), by_text),
            Err(error) => assert_eq!(of_ours(listening().unwrap()), by_text, "{error}"),
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
