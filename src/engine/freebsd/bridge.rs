//! Members of if_bridges.

use super::FreeBsd;
use super::doors::Doors;
use super::interface::name;
use super::session::Session;
use crate::abi::Errno;
use crate::abi::ioctl::bridge::{self, IFBIF_STP};
use crate::engine::EngineError;
use crate::graph::{Member, Name};

impl<D: Doors> FreeBsd<'_, D> {
    /// BRDGADD, and for the spanning tree BRDGSIFFLGS; the member is down until then, so no loop closes in between.
    pub(super) fn add_member(&mut self, session: &mut Session, member: &Member) -> Result<(), EngineError> {
        let (on, port) = (name(&member.bridge)?, name(&member.member)?);
        self.control(session, &member.bridge, bridge::add_member(on, port))?;
        if member.stp { self.set_spanning(session, &member.bridge, &member.member, true) } else { Ok(()) }
    }

    /// BRDGSIFFLGS with the flags that the member has, but for the spanning tree.
    pub(super) fn set_spanning(
        &mut self,
        session: &mut Session,
        of: &str,
        member: &str,
        on: bool,
    ) -> Result<(), EngineError> {
        let (bridge_name, port) = (name(of)?, name(member)?);
        let found = self.control(session, of, bridge::member(bridge_name, port))?;
        let Some(mut settings) = bridge::member_of(&found) else {
            return Err(EngineError::strange(member, "BRDGGIFFLGS", "the kernel's answer cannot be read"));
        };
        settings.flags = if on { settings.flags | IFBIF_STP } else { settings.flags & !IFBIF_STP };
        self.control(session, of, bridge::set_member(bridge_name, bridge::BRDGSIFFLGS, &settings))?;
        if on {
            self.trees.insert(member.into(), (of.into(), settings));
        } else {
            self.trees.remove(member);
        }
        Ok(())
    }

    /// A spanning tree is not told of an interface that came up, and looks for it every 15 seconds; it looks at once when the number of
    /// a port is set, also to what it was.
    pub(super) fn look_at_port(&mut self, session: &mut Session, port: &str) -> Result<(), EngineError> {
        let Some((bridge, settings)) = self.trees.get(port) else { return Ok(()) };
        let (bridge, call) = (bridge.clone(), bridge::set_member(name(bridge)?, bridge::BRDGSIFPRIO, settings));
        self.control(session, &bridge, call).map(drop)
    }

    /// BRDGDEL; one that is not there is what was wanted.
    pub(super) fn remove_member(&mut self, session: &mut Session, member: &Member) -> Result<(), EngineError> {
        self.trees.remove(&member.member);
        let call = bridge::remove_member(name(&member.bridge)?, name(&member.member)?);
        match self.control(session, &member.bridge, call) {
            Err(error) if matches!(error.errno, Some(Errno::ENOENT | Errno::ENXIO)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The members of a bridge.
    pub(super) fn members(&mut self, session: &mut Session, of: &Name) -> Result<Vec<bridge::Member>, EngineError> {
        let members = self.list_members(session, of)?;
        self.trees.retain(|_, (bridge, _)| bridge != of);
        for member in members.iter().filter(|member| member.flags & IFBIF_STP != 0) {
            self.trees.insert(Name::from(member.name.as_str()), (of.clone(), member.clone()));
        }
        Ok(members)
    }

    fn list_members(&mut self, session: &mut Session, of: &str) -> Result<Vec<bridge::Member>, EngineError> {
        let asked = self.control(session, of, bridge::members(name(of)?, 0))?;
        let room = bridge::list_bytes_of(&asked).unwrap_or(0) / bridge::IFBREQ;
        if room == 0 {
            return Ok(Vec::new());
        }
        let found = self.control(session, of, bridge::members(name(of)?, room))?;
        bridge::members_of(&found)
            .ok_or_else(|| EngineError::strange(of, "BRDGGIFS", "the kernel's list of members cannot be read"))
    }
}
