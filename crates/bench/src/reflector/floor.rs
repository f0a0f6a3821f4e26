//! The floor: a program that answers OPENs and copies UPDATEs to all other clients, and does nothing else.
//!
//! It keeps no table and looks at no attribute. What a reflector needs beyond it is the price of being one.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;

use anyhow::{Context as _, bail};
use bytes::{Buf as _, Bytes, BytesMut};
use heddle_bgp_core::message::{HEADER_LEN, KEEPALIVE};
use heddle_bgp_core::open::OptionalParameters;
use heddle_bgp_core::{Asn, BgpId, Capability, Family, MessageType, Open};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, Socket, Type};

use super::ASN;
use super::session::TURN;
use super::world::ROUTER_ID;

/// The number of the listener in the epoll set.
const LISTENER: u64 = u64::MAX;

/// Pieces that one system call writes.
const SLICES: usize = 256;

struct Client {
    stream: TcpStream,
    pending: Vec<u8>,
    out: VecDeque<Bytes>,
    interest: EpollFlags,
}

/// Runs until it is killed.
pub(crate) fn run(address: IpAddr) -> anyhow::Result<()> {
    let local = SocketAddr::new(address, 179);
    let listener = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
    listener.set_reuse_address(true)?;
    listener.set_nonblocking(true)?;
    listener.bind(&local.into()).with_context(|| format!("cannot listen on {local}"))?;
    listener.listen(1024)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(listener.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut scratch = Vec::new();
    loop {
        let mut events = [EpollEvent::empty(); 256];
        let count = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in events.iter().take(count) {
            if event.data() == LISTENER {
                accept(&listener, &epoll, &mut clients)?;
                continue;
            }
            let number = usize::try_from(event.data())?;
            if event.events().contains(EpollFlags::EPOLLIN) {
                copy(&mut clients, number, &mut scratch);
            }
        }
        // What came together goes out together.
        for (number, place) in clients.iter_mut().enumerate() {
            let Some(client) = place else { continue };
            if !client.out.is_empty() && client.write().and_then(|()| client.register(&epoll, number)).is_err() {
                *place = None;
            }
        }
    }
}

fn accept(listener: &Socket, epoll: &Epoll, clients: &mut Vec<Option<Client>>) -> anyhow::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((socket, _)) => TcpStream::from(socket),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let interest = EpollFlags::EPOLLIN;
        epoll.add(stream.as_fd(), EpollEvent::new(interest, u64::try_from(clients.len())?))?;
        clients.push(Some(Client { stream, pending: Vec::new(), out: VecDeque::new(), interest }));
    }
}

/// Reads from one and queues it for all others. Closing a socket takes it out of the epoll set.
fn copy(clients: &mut [Option<Client>], number: usize, scratch: &mut Vec<u8>) {
    let Some(place) = clients.get_mut(number) else { return };
    let Some(client) = place else { return };
    let Ok(copies) = client.read(scratch) else {
        *place = None;
        return;
    };
    if !copies.is_empty() {
        let others = clients.iter_mut().enumerate().filter(|(other, _)| *other != number);
        others.filter_map(|(_, client)| client.as_mut()).for_each(|client| client.out.push_back(copies.clone()));
    }
}

impl Client {
    /// Reads once; returns the UPDATEs as they came.
    fn read(&mut self, scratch: &mut Vec<u8>) -> anyhow::Result<Bytes> {
        scratch.resize(TURN + self.pending.len(), 0);
        let before = self.pending.len();
        scratch.get_mut(..before).context("a part of a message is short")?.copy_from_slice(&self.pending);
        let length = match self.stream.read(scratch.get_mut(before..).unwrap_or_default()) {
            Ok(0) => bail!("closed"),
            Ok(length) => before + length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Bytes::new()),
            Err(error) => return Err(error.into()),
        };
        let mut rest = scratch.get(..length).unwrap_or_default();
        let mut updates = BytesMut::new();
        while let Some(head) = rest.first_chunk::<HEADER_LEN>() {
            let length = usize::from(u16::from_be_bytes([head[16], head[17]]));
            if length < HEADER_LEN {
                bail!("a message of {length} octets");
            }
            let Some((message, tail)) = rest.split_at_checked(length) else { break };
            rest = tail;
            match MessageType::from_octet(head[18]) {
                Some(MessageType::Update) => updates.extend_from_slice(message),
                Some(MessageType::Open) => self.answer(message.get(HEADER_LEN..).unwrap_or_default())?,
                Some(MessageType::Keepalive | MessageType::RouteRefresh) => {}
                Some(MessageType::Notification) | None => bail!("the client ended the session"),
            }
        }
        self.pending.clear();
        self.pending.extend_from_slice(rest);
        Ok(updates.freeze())
    }

    fn answer(&mut self, open: &[u8]) -> anyhow::Result<()> {
        let theirs = Open::decode(open)?;
        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(Capability::MultiProtocol);
        let capabilities = families.into_iter().chain([Capability::FourOctetAs(Asn(ASN))]).collect();
        let bgp_id = BgpId::from(ROUTER_ID);
        let ours = Open { asn: Asn(ASN), hold_time: theirs.hold_time, bgp_id, capabilities };
        let mut octets = BytesMut::new();
        ours.encode(&mut octets, OptionalParameters::WhereNeeded)?;
        octets.extend_from_slice(&KEEPALIVE);
        self.out.push_back(octets.freeze());
        Ok(())
    }

    fn write(&mut self) -> anyhow::Result<()> {
        while !self.out.is_empty() {
            let slices: Vec<IoSlice<'_>> = self.out.iter().take(SLICES).map(|octets| IoSlice::new(octets)).collect();
            let mut length = match self.stream.write_vectored(&slices) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            while let Some(front) = self.out.front_mut() {
                let part = length.min(front.len());
                front.advance(part);
                length -= part;
                if !front.is_empty() {
                    break;
                }
                self.out.pop_front();
            }
        }
        Ok(())
    }

    fn register(&mut self, epoll: &Epoll, number: usize) -> anyhow::Result<()> {
        let mut interest = EpollFlags::EPOLLIN;
        interest.set(EpollFlags::EPOLLOUT, !self.out.is_empty());
        if interest != self.interest {
            epoll.modify(self.stream.as_fd(), &mut EpollEvent::new(interest, u64::try_from(number)?))?;
            self.interest = interest;
        }
        Ok(())
    }
}
