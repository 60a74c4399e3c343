//! Interfaces by ioctl: names, MACs, MTUs, descriptions, moves, state.

use super::FreeBsd;
use super::doors::{Doors, IoctlArgument, SocketKind};
use super::session::Session;
use crate::abi::flags::{IFF_UP, ND6_IFF_NO_DAD};
use crate::abi::ioctl::{Call, address, interface, request_name};
use crate::abi::{Errno, InterfaceName};
use crate::engine::{EngineError, StepResult};
use crate::graph::{Epair, IfBridge, Name, Nic, Place, Placement};
use crate::model::{Mac, Mtu};
use crate::plan::Step;

/// Moves that are made in one go: each takes the kernel as long as a tick or two, and who wants it to end is not heeded meanwhile.
const MOST_MOVES: usize = 64;
/// Interfaces of one name that are told apart; more came home from no lab.
const MOST_ALIKE: usize = 4096;

impl<D: Doors> FreeBsd<'_, D> {
    /// ioctl(2) on an `AF_INET` socket of the place.
    pub(super) fn control(
        &mut self,
        session: &mut Session,
        object: &str,
        call: Call,
    ) -> Result<IoctlArgument, EngineError> {
        self.control_on(session, SocketKind::Inet, object, call)
    }

    pub(super) fn control_on(
        &mut self,
        session: &mut Session,
        kind: SocketKind,
        object: &str,
        mut call: Call,
    ) -> Result<IoctlArgument, EngineError> {
        let sock = self.sock(session, kind)?;
        match self.doors.ioctl(sock, call.request, &mut call.argument) {
            Ok(()) => Ok(call.argument),
            Err(errno) => Err(EngineError::refused(self.at(&session.place, object), call_name(call.request), errno)),
        }
    }

    pub(super) fn rename(&mut self, session: &mut Session, from: &str, to: &str) -> Result<(), EngineError> {
        if from == to {
            return Ok(());
        }
        session.indexes.remove(from);
        if let Some((shared, index)) = number_of(from) {
            return self.rename_one_of(session, shared, index, to);
        }
        self.control(session, from, interface::rename(name(from)?, name(to)?)).map(drop)
    }

    /// Renames that one of several interfaces of a name. The kernel takes the first that it finds: the wrong ones get names of
    /// their own, which their descriptions do without.
    fn rename_one_of(&mut self, session: &mut Session, shared: &str, index: u32, to: &str) -> Result<(), EngineError> {
        let own = aside(index);
        if self.exists(session, &own)? {
            return self.control(session, &own, interface::rename(name(&own)?, name(to)?)).map(drop);
        }
        for _ in 0..MOST_ALIKE {
            self.control(session, shared, interface::rename(name(shared)?, name(to)?))?;
            session.indexes.remove(to);
            let found = self.index(session, to)?;
            if found == index {
                return Ok(());
            }
            self.control(session, to, interface::rename(name(to)?, name(&aside(found))?))?;
            session.indexes.remove(to);
        }
        Err(EngineError::refused(self.at(&session.place, shared), "SIOCSIFNAME", Errno::EEXIST))
    }

    pub(super) fn set_mac(&mut self, session: &mut Session, of: &str, to: Mac) -> Result<(), EngineError> {
        self.control(session, of, interface::set_mac(name(of)?, to.0)).map(drop)
    }

    pub(super) fn set_mtu(&mut self, session: &mut Session, of: &str, to: Mtu) -> Result<(), EngineError> {
        self.control(session, of, interface::set_mtu(name(of)?, to.0.into())).map(drop)
    }

    pub(super) fn set_description(&mut self, session: &mut Session, of: &str, to: &str) -> Result<(), EngineError> {
        self.control(session, of, interface::set_description(name(of)?, to.as_bytes())).map(drop)
    }

    /// What a new interface in the lab jail gets besides its name.
    pub(super) fn dress(&mut self, session: &mut Session, nic: &Nic) -> Result<(), EngineError> {
        self.set_mac(session, &nic.name, nic.mac)?;
        if nic.mtu != Mtu::ETHERNET {
            self.set_mtu(session, &nic.name, nic.mtu)?;
        }
        self.set_description(session, &nic.name, &nic.description)
    }

    /// SIOCSIFFLAGS, all of them as they are but IFF_UP; the only way that makes an eiface or a bridge run.
    pub(super) fn set_up(&mut self, session: &mut Session, of: &str, up: bool) -> Result<(), EngineError> {
        let found = self.control(session, of, interface::flags(name(of)?))?;
        let flags = interface::flags_of(&found).unwrap_or(0);
        let wanted = if up { flags | IFF_UP } else { flags & !IFF_UP };
        if wanted == flags && !up {
            return Ok(());
        }
        self.control(session, of, interface::set_flags(name(of)?, wanted))?;
        if up && session.place == Place::Lab { self.look_at_port(session, of) } else { Ok(()) }
    }

    pub(super) fn set_no_dad(&mut self, session: &mut Session, of: &str, off: bool) -> Result<(), EngineError> {
        let found = self.control_on(session, SocketKind::Inet6, of, address::neighbour_settings(name(of)?))?;
        let flags = address::neighbour_flags_of(&found).unwrap_or(0);
        let wanted = if off { flags | ND6_IFF_NO_DAD } else { flags & !ND6_IFF_NO_DAD };
        let call = address::set_neighbour_flags(&found, wanted);
        self.control_on(session, SocketKind::Inet6, of, call).map(drop)
    }

    /// Hands an interface of the lab jail to its place: by the lab's helper on a socket of its own, because the kernel wants thread
    /// and socket in one vnet; the host takes its own end.
    pub(super) fn give(&mut self, session: &mut Session, placement: &Placement) -> Result<(), EngineError> {
        let nic = name(&placement.nic)?;
        match &placement.place {
            Place::Host => {
                let jid = self.jid(&Place::Lab)?;
                // Nothing checks for a second interface of that name on the way out of a jail.
                if self.exists(session, &placement.nic)? || self.exists(session, &placement.name)? {
                    return Err(EngineError::refused(&*placement.name, "SIOCSIFRVNET", Errno::EEXIST).hint(format!(
                        "the host has an interface `{}` already: use another name in the file",
                        placement.name
                    )));
                }
                self.control(session, &placement.nic, interface::take_from_jail(nic, jid.0)).map(drop)
            }
            place @ (Place::Lab | Place::Node(_)) => {
                let jid = self.jid(place)?;
                self.move_by_helper(session, &placement.nic, interface::give_to_jail(nic, jid.0))
            }
        }
    }

    /// Several of them in one visit of the lab jail.
    pub(super) fn give_all(&mut self, session: &mut Session, steps: &[&Step]) -> Vec<StepResult> {
        let mut results = Vec::with_capacity(steps.len());
        for some in steps.chunks(MOST_MOVES) {
            match self.give_some(session, some) {
                Ok(some) => results.extend(some),
                Err(error) => results.push(StepResult::Failed(error)),
            }
            if results.iter().any(|result| matches!(result, StepResult::Failed(_))) {
                break;
            }
        }
        results.resize(steps.len(), StepResult::NotTried);
        results
    }

    fn give_some(&mut self, session: &mut Session, steps: &[&Step]) -> Result<Vec<StepResult>, EngineError> {
        let (mut calls, mut objects) = (Vec::with_capacity(steps.len()), Vec::with_capacity(steps.len()));
        for placement in steps.iter().filter_map(|step| moved(step)) {
            let jid = self.jid(&placement.place)?;
            calls.push(interface::give_to_jail(name(&placement.nic)?, jid.0));
            objects.push(&placement.nic);
        }
        let helper = self.helper(session)?;
        let results = self.doors.helper_ioctls(helper, &mut calls);
        let refused = |object: &str, errno| EngineError::refused(self.at(&session.place, object), "SIOCSIFVNET", errno);
        let told = |(object, result): (&Name, Result<(), Errno>)| {
            result.map_or_else(|errno| StepResult::Failed(refused(object, errno)), |()| StepResult::Done)
        };
        Ok(objects.into_iter().zip(results).map(told).collect())
    }

    /// The way back, after the author's name was taken off.
    pub(super) fn take_back(&mut self, session: &mut Session, placement: &Placement) -> Result<(), EngineError> {
        let nic = name(&placement.nic)?;
        match &placement.place {
            Place::Host => {
                let jid = self.jid(&Place::Lab)?;
                self.control(session, &placement.nic, interface::give_to_jail(nic, jid.0)).map(drop)
            }
            place @ (Place::Lab | Place::Node(_)) => {
                let jid = self.jid(place)?;
                if self.exists(session, &placement.nic)? {
                    return Err(EngineError::refused(&*placement.nic, "SIOCSIFRVNET", Errno::EEXIST));
                }
                self.move_by_helper(session, &placement.nic, interface::take_from_jail(nic, jid.0))
            }
        }
    }

    fn move_by_helper(&mut self, session: &mut Session, object: &str, mut call: Call) -> Result<(), EngineError> {
        let helper = self.helper(session)?;
        self.doors
            .helper_ioctl(helper, call.request, &mut call.argument)
            .map_err(|errno| EngineError::refused(self.at(&session.place, object), call_name(call.request), errno))
    }

    pub(super) fn exists(&mut self, session: &mut Session, of: &str) -> Result<bool, EngineError> {
        match self.control(session, of, interface::flags(name(of)?)) {
            Ok(_) => Ok(true),
            Err(error) if error.errno == Some(Errno::ENXIO) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The interface's number, asked for once.
    pub(super) fn index(&mut self, session: &mut Session, of: &str) -> Result<u32, EngineError> {
        if let Some(index) = session.indexes.get(of) {
            return Ok(*index);
        }
        let found = self.control(session, of, interface::index(name(of)?))?;
        let index = interface::index_of(&found).unwrap_or(0).into();
        session.indexes.insert(of.to_owned(), index);
        Ok(index)
    }

    pub(super) fn create_epair(&mut self, session: &mut Session, epair: &Epair) -> Result<(), EngineError> {
        let born = self.clone_interface(session, "epair")?;
        let Some(stem) = born.strip_suffix('a') else {
            return Err(EngineError::strange(&born, "SIOCIFCREATE2", format!("the kernel made `{born}` for an epair")));
        };
        let [a, b] = &epair.ends;
        let far = format!("{stem}b");
        let named = self.rename(session, &born, &a.name).and_then(|()| self.rename(session, &far, &b.name));
        if named.is_err() {
            // Without its name nobody would find it again; the b end cannot have been renamed.
            let _ = self.destroy_interface(session, &far);
        }
        named?;
        self.dress(session, a)?;
        self.dress(session, b)
    }

    /// Destroys both ends by whichever is here; none is what was wanted.
    pub(super) fn remove_epair(&mut self, session: &mut Session, epair: &Epair) -> Result<(), EngineError> {
        // An end without a name is lost; the pair goes by the other.
        for end in epair.ends.iter().filter(|end| !end.name.is_empty()) {
            if self.exists(session, &end.name)? {
                return self.destroy_interface(session, &end.name);
            }
        }
        Ok(())
    }

    pub(super) fn create_bridge(&mut self, session: &mut Session, bridge: &IfBridge) -> Result<(), EngineError> {
        let born = self.clone_interface(session, "bridge")?;
        let named = self.rename(session, &born, &bridge.nic.name);
        if named.is_err() {
            let _ = self.destroy_interface(session, &born);
        }
        named?;
        self.dress(session, &bridge.nic)
    }

    /// SIOCIFDESTROY; an interface that is gone already is what was wanted.
    pub(super) fn destroy_interface(&mut self, session: &mut Session, of: &str) -> Result<(), EngineError> {
        session.indexes.remove(of);
        match self.control(session, of, interface::destroy(name(of)?)) {
            Err(error) if matches!(error.errno, Some(Errno::ENXIO)) => Ok(()),
            other => other.map(drop),
        }
    }

    fn clone_interface(&mut self, session: &mut Session, cloner: &str) -> Result<String, EngineError> {
        let made = self.control(session, cloner, interface::create(name(cloner)?))?;
        let born = made.name().map(|name| name.as_str().to_owned());
        born.ok_or_else(|| EngineError::strange(cloner, "SIOCIFCREATE2", "the kernel did not name what it made"))
    }
}

/// The move of an interface that a helper in the lab jail makes.
fn moved(step: &Step) -> Option<&Placement> {
    match step {
        Step::Give(placement) if placement.place != Place::Host => Some(placement),
        _ => None,
    }
}

/// How many steps from the first on are such moves.
pub(super) fn moves(steps: &[&Step]) -> usize {
    steps.iter().take_while(|step| moved(step).is_some()).count()
}

/// How an interface is called that has its name in common with another of its network stack.
pub(super) fn numbered(name: &str, index: u32) -> String {
    format!("{name} #{index}")
}

fn aside(index: u32) -> String {
    format!("aside{index}")
}

fn number_of(text: &str) -> Option<(&str, u32)> {
    let (name, index) = text.split_once(" #")?;
    Some((name, index.parse().ok()?))
}

pub(super) fn name(text: &str) -> Result<InterfaceName, EngineError> {
    InterfaceName::new(text).map_err(|errno| EngineError::refused(text, "interface name", errno))
}

pub(super) fn call_name(request: u32) -> String {
    request_name(request).map_or_else(|| format!("ioctl {request:#x}"), str::to_owned)
}
