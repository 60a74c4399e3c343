//! `pppoe`: PPP over Ethernet (`sys/netgraph/ng_pppoe.c`). What can be configured is, and sessions wait as they were
//! told to; discovery is not simulated, so nobody ever answers, and frames are dropped.

use ngsock::generic::CString;
use ngsock::message::{Header, Payload, Request};
use ngsock::name::Name;
use ngsock::node::ether;
use ngsock::node::pppoe::{
    COOKIE, Connect, GetMode, GetStats, Listen, MAX_PADM_VALUE, MAX_SERVICE_NAME, MaximumPayload, Offer, SendHurl,
    SendMotm, Service, Session, SetMacAddress, SetMaximumPayload, SetMode, Stats,
};
use serde::{Deserialize, Serialize};

use super::super::hooks::Peer;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{Fate, HookId, Hooks, Private};
use crate::abi::Errno;

/// A concentrator or its client.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pppoe {
    ethernet: Option<HookId>,
    debug: Option<HookId>,
    three_com: bool,
    d_link: bool,
    mac: [u8; 6],
    maximum_payload: Option<u16>,
}

/// What a session waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiting {
    /// Nothing was asked of it.
    #[default]
    Nothing,
    /// An answer from a concentrator.
    Offer,
    /// Clients that look for this service.
    Clients(Vec<u8>),
    /// A packet of a client from its hook, to answer it.
    Client,
}

impl Pppoe {
    /// Any name but `ethernet` and `debug` is a session.
    ///
    /// # Errors
    /// `ENOMEM` once every handle was used.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let place = match name.as_bytes() {
            b"ethernet" => &mut self.ethernet,
            b"debug" => &mut self.debug,
            _ => return hooks.add(name, Private::Waiting(Waiting::default())),
        };
        let hook = hooks.add(name, Private::None)?;
        *place = Some(hook);
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        for place in [&mut self.ethernet, &mut self.debug] {
            place.take_if(|place| *place == hook);
        }
        Fate::with_last_hook(left)
    }

    /// What the node asks its neighbour when `ethernet` was joined (`ng_pppoe_connect`).
    pub(in crate::sim::netgraph) fn question(&self, hooks: &Hooks, joined: HookId) -> Option<(Peer, Header)> {
        let peer = hooks.get(self.ethernet.filter(|ethernet| *ethernet == joined)?)?.peer?;
        // The text is the name of the C constant that is the command.
        let text = Name::new("NGM_ETHER_GET_ENADDR").unwrap_or_default();
        Some((peer, Header { text, ..Header::request::<ether::GetMacAddress>(0) }))
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, hooks: &mut Hooks, call: &Call<'_>) -> Answer {
        if call.header.cookie == ether::COOKIE && call.header.is_reply() {
            let is_address = call.header.command == ether::GetMacAddress::COMMAND;
            let mac = <[u8; 6]>::try_from(call.payload).ok().filter(|_| is_address);
            self.mac = mac.ok_or(Errno::EINVAL)?;
            return Ok(Outcome::Done);
        }
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match call.header.command {
            command @ (Connect::COMMAND
            | Listen::COMMAND
            | Offer::COMMAND
            | Service::COMMAND
            | SendHurl::COMMAND
            | SendMotm::COMMAND) => session(hooks, command, call.payload)?,
            GetStats::COMMAND => return answer(&Stats::default()),
            SetMode::COMMAND => self.set_mode(call.payload)?,
            GetMode::COMMAND => return answer(&CString::new(self.mode())),
            SetMacAddress::COMMAND => self.mac = call.payload.try_into().map_err(|_| Errno::EINVAL)?,
            SetMaximumPayload::COMMAND => match MaximumPayload::decode(call.payload) {
                Ok(MaximumPayload::Request { octets }) => self.maximum_payload = Some(octets),
                _ => return Err(Errno::EINVAL),
            },
            _ => return Err(Errno::EINVAL),
        }
        Ok(Outcome::Done)
    }

    /// The last byte, whatever it is, is not looked at.
    fn set_mode(&mut self, payload: &[u8]) -> Result<(), Errno> {
        match payload.split_last().ok_or(Errno::EINVAL)?.1 {
            b"standard" => (self.three_com, self.d_link) = (false, false),
            b"3Com" => self.three_com = true,
            b"D-Link" => self.d_link = true,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn mode(&self) -> &'static str {
        match (self.three_com, self.d_link) {
            (false, false) => "standard",
            (true, false) => "3Com",
            (false, true) => "D-Link",
            (true, true) => "3Com|D-Link",
        }
    }
}

/// A command for a session: checked in the order of the kernel.
fn session(hooks: &mut Hooks, command: u32, payload: &[u8]) -> Result<(), Errno> {
    const HEAD: usize = 34;
    let data = payload.get(HEAD..).ok_or(Errno::EMSGSIZE)?;
    let is_padm = matches!(command, SendHurl::COMMAND | SendMotm::COMMAND);
    if data.len() > if is_padm { MAX_PADM_VALUE } else { MAX_SERVICE_NAME } {
        return Err(Errno::EMSGSIZE);
    }
    let asked = Session::decode(payload).map_err(|_| Errno::EMSGSIZE)?;
    let hook = hooks.find(&Label::from(asked.hook)).ok_or(Errno::ENOENT)?.id;
    let service = asked.data.as_bytes().to_vec();
    let is_heard =
        |hook: &super::Hook| matches!(&hook.private, Private::Waiting(Waiting::Clients(heard)) if *heard == service);
    let twice = command == Listen::COMMAND && hooks.iter().any(is_heard);
    let Some(Private::Waiting(waiting)) = hooks.get_mut(hook).map(|hook| &mut hook.private) else {
        return Err(Errno::EINVAL);
    };
    if twice {
        return Err(Errno::EEXIST);
    }
    if command == Service::COMMAND {
        return if *waiting == Waiting::Client { Ok(()) } else { Err(Errno::EISCONN) };
    }
    // No session ever becomes active.
    if is_padm || *waiting != Waiting::Nothing {
        return Err(Errno::EISCONN);
    }
    *waiting = match command {
        Connect::COMMAND => {
            check_host_unique(&service)?;
            Waiting::Offer
        }
        Listen::COMMAND => Waiting::Clients(service),
        _ => Waiting::Client,
    };
    Ok(())
}

/// `AC-name\Host-Uniq|service`: the middle one may be hexadecimal.
///
/// # Errors
/// `EINVAL` if it begins so and goes on otherwise.
fn check_host_unique(data: &[u8]) -> Result<(), Errno> {
    let rest = data.iter().position(|byte| *byte == b'\\').map_or(data, |at| data.get(at + 1..).unwrap_or_default());
    let unique = rest.iter().position(|byte| *byte == b'|').and_then(|at| rest.get(..at)).unwrap_or_default();
    match unique.strip_prefix(b"0x") {
        Some(digits) if !digits.is_empty() && digits.len().is_multiple_of(2) => {
            let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
            if digits.iter().all(is_digit) { Ok(()) } else { Err(Errno::EINVAL) }
        }
        _ => Ok(()),
    }
}
