//! `l2tp`: the Layer Two Tunneling Protocol (`sys/netgraph/ng_l2tp.c`). What can be configured is; packets are dropped.

use ngsock::node::l2tp::{
    COOKIE, Command, Config, GetSessionConfig, SequenceConfig, SessionConfig, SessionStats, SetConfig, SetSequence,
    SetSessionConfig, Stats,
};
use ngsock::node::l2tp::{ClearSessionStats, GetAndClearSessionStats, GetSessionStats};
use serde::{Deserialize, Serialize};

use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{Fate, HookId, Hooks, Private};
use crate::abi::Errno;

/// `L2TP_MAX_XWIN`: the largest window of the peer (`sys/netgraph/ng_l2tp.c:92`).
const LARGEST_WINDOW: u16 = 128;

/// A tunnel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct L2tp {
    control: Option<HookId>,
    lower: Option<HookId>,
    enabled: bool,
    match_id: bool,
    tunnel_id: u16,
    peer_id: u16,
    peer_window: u16,
    retransmissions: u16,
    retransmission_seconds: u16,
    /// The window in use: it only grows, and a tunnel that is disabled gets the largest one
    /// (`ng_l2tp_seq_reset`), so that only this one can be enabled again.
    window: u16,
}

/// A session, which is a hook.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Session {
    id: u16,
    peer_id: u16,
    control_sequencing: u8,
    enable_sequencing: u8,
    include_length: u8,
}

impl Default for L2tp {
    fn default() -> Self {
        Self {
            control: None,
            lower: None,
            enabled: false,
            match_id: false,
            tunnel_id: 0,
            peer_id: 0,
            peer_window: 1,
            retransmissions: 5,
            retransmission_seconds: 30,
            window: 1,
        }
    }
}

/// The number of `session_%04x`.
fn session_id(name: &Label) -> Option<u16> {
    let digits = name.as_bytes().strip_prefix(b"session_")?;
    let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 4 || !digits.iter().all(is_digit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

impl L2tp {
    /// # Errors
    /// `EINVAL` for a name it does not know, `EISCONN` for `ctrl` or `lower` twice.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let place = match name.as_bytes() {
            b"ctrl" => &mut self.control,
            b"lower" => &mut self.lower,
            _ => {
                let id = session_id(&name).ok_or(Errno::EINVAL)?;
                let session = Session { id, control_sequencing: 1, enable_sequencing: 1, ..Session::default() };
                return hooks.add(name, Private::Session(session));
            }
        };
        if place.is_some() {
            return Err(Errno::EISCONN);
        }
        let hook = hooks.add(name, Private::None)?;
        *place = Some(hook);
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: HookId, left: usize) -> Fate {
        for place in [&mut self.control, &mut self.lower] {
            place.take_if(|place| *place == hook);
        }
        Fate::with_last_hook(left)
    }

    pub(in crate::sim::netgraph) fn receive(&mut self, hooks: &mut Hooks, call: &Call<'_>) -> Answer {
        if call.header.cookie != COOKIE {
            return Err(Errno::EINVAL);
        }
        match Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)? {
            Command::SetConfig(SetConfig(config)) => self.configure(hooks, &config)?,
            Command::GetConfig(_) => return answer(&self.config()),
            Command::SetSessionConfig(SetSessionConfig(config)) => {
                let session = session(hooks, config.session_id)?;
                session.peer_id = config.peer_id;
                session.control_sequencing = config.control_sequencing;
                session.enable_sequencing = config.enable_sequencing;
                session.include_length = config.include_length;
            }
            Command::GetSessionConfig(GetSessionConfig(id)) => {
                let session = session(hooks, id)?;
                return answer(&SessionConfig {
                    session_id: session.id,
                    peer_id: session.peer_id,
                    control_sequencing: session.control_sequencing,
                    enable_sequencing: session.enable_sequencing,
                    include_length: session.include_length,
                });
            }
            // No packet is ever counted.
            Command::GetStats(_) | Command::GetAndClearStats(_) => return answer(&Stats::default()),
            Command::ClearStats(_) => {}
            Command::GetSessionStats(GetSessionStats(id))
            | Command::GetAndClearSessionStats(GetAndClearSessionStats(id)) => {
                session(hooks, id)?;
                return answer(&SessionStats::default());
            }
            Command::ClearSessionStats(ClearSessionStats(id)) => {
                session(hooks, id)?;
            }
            Command::SetSequence(SetSequence(sequence)) => self.set_sequence(&sequence)?,
            // The node itself sends it.
            Command::AckFailure(_) => return Err(Errno::EINVAL),
        }
        Ok(Outcome::Done)
    }

    fn config(&self) -> Config {
        Config {
            enabled: self.enabled.into(),
            match_id: self.match_id.into(),
            tunnel_id: self.tunnel_id,
            peer_id: self.peer_id,
            peer_window: self.peer_window,
            maximum_retransmissions: self.retransmissions,
            maximum_retransmission_seconds: self.retransmission_seconds,
        }
    }

    /// The numbers of a tunnel stay while it is enabled, and its window does not shrink (`ng_l2tp_seq_adjust`).
    fn configure(&mut self, hooks: &mut Hooks, config: &Config) -> Result<(), Errno> {
        let changes = |old: u16, new: u16| old != 0 && old != new;
        if self.enabled && (changes(self.tunnel_id, config.tunnel_id) || changes(self.peer_id, config.peer_id)) {
            return Err(Errno::EBUSY);
        }
        if config.enabled == 0 {
            self.window = LARGEST_WINDOW;
            reset_sessions(hooks);
        } else {
            let window = config.peer_window.min(LARGEST_WINDOW);
            if window == 0 {
                return Err(Errno::EINVAL);
            }
            if window < self.window {
                return Err(Errno::EBUSY);
            }
            self.window = window;
        }
        (self.enabled, self.match_id) = (config.enabled != 0, config.match_id != 0);
        (self.tunnel_id, self.peer_id, self.peer_window) = (config.tunnel_id, config.peer_id, config.peer_window);
        self.retransmissions = config.maximum_retransmissions;
        self.retransmission_seconds = config.maximum_retransmission_seconds;
        Ok(())
    }

    /// Numbers that nothing was sent with do not matter here; they are checked all the same.
    fn set_sequence(&self, sequence: &SequenceConfig) -> Result<(), Errno> {
        if self.enabled {
            return Err(Errno::EBUSY);
        }
        let acknowledged = sequence.last_ack_sent == sequence.next_received;
        if acknowledged && sequence.next_sent == sequence.last_ack_received { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

/// A tunnel that is disabled forgets what its sessions were to do about sequence numbers.
fn reset_sessions(hooks: &mut Hooks) {
    for hook in hooks.iter_mut() {
        if let Private::Session(session) = &mut hook.private {
            (session.control_sequencing, session.enable_sequencing) = (0, 0);
        }
    }
}

fn session(hooks: &mut Hooks, id: u16) -> Result<&mut Session, Errno> {
    let sessions = hooks.iter_mut().filter_map(|hook| match &mut hook.private {
        Private::Session(session) => Some(session),
        _ => None,
    });
    sessions.into_iter().find(|session| session.id == id).ok_or(Errno::ENOENT)
}
