//! The FreeBSD engine: plain logic over the doors, compiled and tested on every system.

mod address;
mod admission;
mod bridge;
mod check;
pub mod doors;
pub mod faults;
mod interface;
mod jail;
mod lend;
mod machine;
mod module;
mod netgraph;
mod observe;
mod pace;
mod parked;
mod probe;
mod processes;
mod resources;
mod roots;
mod route;
mod session;
mod stack;
#[cfg(target_os = "freebsd")]
pub mod sys;
#[cfg(not(target_os = "freebsd"))]
pub mod sys {
    //! There is no FreeBSD kernel on this system.

    use super::{Settings, Unusable};
    use crate::engine::{Backend, Fact};

    /// What the kernel of this system has for labs: nothing of what is asked here.
    #[must_use]
    pub fn survey(_settings: Settings) -> Vec<Fact> {
        Vec::new()
    }

    /// The kernel of this system, which is not FreeBSD's.
    ///
    /// # Errors
    /// Always: so it is.
    pub fn open(_settings: Settings) -> Result<Box<dyn Backend>, Unusable> {
        Err(Unusable::elsewhere())
    }
}
mod survey;
mod sysctl;
mod taken;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use self::doors::{Doors, ExecuteError, Jid, SocketKind};
use self::parked::Parked;
use self::session::Session;
use super::{
    Capabilities, Echo, EchoResult, Ending, Engine, EngineError, Exit, Lane, NotHanded, NotRun, Running, StepResult,
    Stream, Until,
};
use crate::abi::ioctl::bridge::Member;
use crate::graph::{Jail, Name, Nic, Object, Place, Sysctl};
use crate::model::LabName;
use crate::plan::{Observed, Plan, Scope, Step};

pub use super::{Lack, Unusable};
pub use admission::admit;
pub use check::check;
pub use machine::{Machine, Settings};
pub use survey::survey;

/// How addresses and routes travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RouteMeans {
    /// netlink(4), or the other where the kernel has none.
    #[default]
    Netlink,
    /// Address ioctls, the routing socket and the lists of sysctl(3): no netlink socket is opened.
    Rtsock,
}

/// The engine for one lab.
#[derive(Debug)]
pub struct FreeBsd<'d, D: Doors> {
    doors: &'d mut D,
    lab: LabName,
    /// The lab jail bears it: a name alone proves nothing.
    token: String,
    settings: Settings,
    /// How addresses, routes and lists travel, once it is known whether the kernel has netlink(4).
    means: Option<RouteMeans>,
    /// Jails that were seen or made.
    jids: BTreeMap<Place, Jid>,
    /// What is open in nodes that have been set up, until they are read back.
    parked: Parked,
    /// Ports of spanning trees that were seen or made, each with its bridge and settings.
    trees: BTreeMap<Name, (Name, Member)>,
    /// Whether the lab jail can carry the token as `meta` (FreeBSD 15).
    meta: Option<bool>,
    /// Sysctls of new network stacks before they were set.
    firsts: Vec<Sysctl>,
}

impl<'d, D: Doors> FreeBsd<'d, D> {
    /// The engine for a lab, whose jail bears `token`.
    pub fn new(doors: &'d mut D, lab: LabName, token: &str, settings: Settings) -> Self {
        Self {
            doors,
            lab,
            token: token.to_owned(),
            settings,
            means: None,
            jids: BTreeMap::new(),
            parked: Parked::default(),
            trees: BTreeMap::new(),
            meta: None,
            firsts: Vec::new(),
        }
    }

    /// The jail of a place.
    ///
    /// # Errors
    /// There is none; or the lab jail is not ours.
    fn jail_of(&mut self, place: &Place) -> Result<Jid, EngineError> {
        self.own_lab()?;
        self.jid(place)
    }

    /// A session to do steps in: what is open there still, or with what steps of such a place need.
    fn enter(&mut self, place: &Place) -> Session {
        if let Some(session) = self.jids.get(place).and_then(|jid| self.parked.take(*jid)) {
            return session;
        }
        let expected: &[SocketKind] = match place {
            Place::Host => &[],
            Place::Lab => &[SocketKind::Netgraph, SocketKind::Inet],
            Place::Node(_) if self.means == Some(RouteMeans::Netlink) => &[SocketKind::Inet, SocketKind::Netlink],
            Place::Node(_) => &[SocketKind::Inet],
        };
        Session::new(place.clone()).expecting(expected)
    }

    /// What is open in a node is used again when it is read back, if every answer to what was asked has been read.
    fn leave(&mut self, mut session: Session, is_clean: bool) {
        match (&session.place, self.jids.get(&session.place)) {
            (Place::Node(_), Some(jid)) if is_clean => {
                session.leave(self.doors);
                self.parked.keep(*jid, session, self.doors);
            }
            _ => session.close(self.doors),
        }
    }

    /// Does steps of one place in order, up to the first that fails, and jails in a row up to `jobs` at a time.
    fn perform_up_to(&mut self, place: &Place, steps: &[&Step], jobs: NonZeroUsize) -> Vec<StepResult> {
        self.doors.expect_steps();
        let mut results = Vec::with_capacity(steps.len());
        let mut session = self.enter(place);
        while results.len() < steps.len() {
            let before = results.len();
            let rest = &steps[before..];
            let (new, moves) = (jails(rest), interface::moves(rest));
            let run = self.batch(&mut session, rest);
            if new.len() > 1 {
                results.extend(self.create_jails(&new, jobs));
            } else if moves > 1 {
                results.extend(self.give_all(&mut session, &rest[..moves]));
            } else if run > 0 {
                results.extend(self.configure(&mut session, &rest[..run]));
            } else {
                results.push(match self.step(&mut session, rest[0]) {
                    Ok(()) => StepResult::Done,
                    Err(error) => StepResult::Failed(error),
                });
            }
            if results.iter().skip(before).any(|result| matches!(result, StepResult::Failed(_))) {
                break;
            }
        }
        self.leave(session, results.iter().all(|result| *result == StepResult::Done));
        results.resize(steps.len(), StepResult::NotTried);
        results
    }

    /// What a person would call an interface of a place.
    fn at(&self, place: &Place, interface: &str) -> String {
        match place {
            Place::Host => interface.to_owned(),
            Place::Lab => format!("{}:{interface}", self.lab),
            Place::Node(node) => format!("{node}:{interface}"),
        }
    }

    fn step(&mut self, session: &mut Session, step: &Step) -> Result<(), EngineError> {
        match step {
            Step::CreateJail(jail) => self.create_jail(jail),
            Step::RemoveJail(jail) => self.remove_jail(&jail.place),
            Step::SetJail { place, to, .. } => self.set_jail(place, to),
            Step::CreateNetgraph { node, from } => self.create_node(session, node, from.as_ref()),
            Step::RemoveNetgraph { node, .. } => self.shutdown(session, &node.name),
            Step::CreateEiface { eiface, from } => self.create_eiface(session, eiface, from.as_ref()),
            Step::RemoveEiface { eiface, .. } => self.shutdown(session, &eiface.node),
            Step::CreateEpair(epair) => self.create_epair(session, epair),
            Step::RemoveEpair(epair) => self.remove_epair(session, epair),
            Step::CreateBridge(bridge) => self.create_bridge(session, bridge),
            Step::RemoveBridge(bridge) => self.destroy_interface(session, &bridge.nic.name),
            Step::Join(hooks) => self.join(session, hooks),
            Step::Part(hooks) => self.part(session, hooks),
            Step::SetPipe { node, to, .. } => self.set_pipe(session, node, to),
            Step::SetMac { interface, to, .. } => self.set_mac(session, interface, *to),
            Step::SetMtu { interface, to, .. } => self.set_mtu(session, interface, *to),
            Step::SetDescription { interface, to, .. } => self.set_description(session, interface, to),
            Step::Give(placement) => self.give(session, placement),
            Step::TakeBack(placement) => self.take_back(session, placement),
            Step::Rename { from, to, .. } => self.rename(session, from, to),
            Step::SetNoDad { interface, off, .. } => self.set_no_dad(session, interface, *off),
            Step::AddMember(member) => self.add_member(session, member),
            Step::RemoveMember(member) => self.remove_member(session, member),
            Step::SetSpanning { bridge, member, on } => self.set_spanning(session, bridge, member, *on),
            Step::SetSysctl { name, from, to, .. } => {
                let now = self.set_sysctl(session, name, to)?;
                if from.is_none() {
                    self.firsts.push(Sysctl { place: session.place.clone(), name: name.clone(), value: now });
                }
                Ok(())
            }
            Step::SetUp(up) => self.set_up(session, &up.interface, true),
            Step::SetDown(up) => self.set_up(session, &up.interface, false),
            Step::MakeFolder(folder) => self.make_folder(folder),
            Step::RemoveFolder(folder) => self.remove_folder(folder),
            Step::MakeClone(clone) => self.make_clone(clone),
            Step::RemoveClone(clone) => self.remove_clone(clone),
            Step::AddRuleset(ruleset) => self.add_ruleset(*ruleset),
            Step::RemoveRuleset(ruleset) => self.remove_ruleset(*ruleset),
            Step::Mount(mount) => self.mount(mount),
            Step::Unmount(mount) => self.unmount(mount),
            Step::AddLimit(limit) => self.add_limit(limit),
            Step::RemoveLimit(limit) => self.remove_limit(limit),
            Step::Linux(step) => Err(EngineError::strange(step.word(), "", "only Linux has such a step")),
            Step::SetCpus { place, to, .. } => self.set_cpus(place, to.as_ref()),
            Step::AddAddress(_)
            | Step::RemoveAddress(_)
            | Step::AddRoute(_)
            | Step::RemoveRoute(_)
            | Step::ChangeRoute { .. } => self.configure_one(session, step),
        }
    }
}

impl<D: Doors> Drop for FreeBsd<'_, D> {
    fn drop(&mut self) {
        self.parked.clear(self.doors);
    }
}

impl<D: Doors> Engine for FreeBsd<'_, D> {
    fn prepare(&mut self, plan: &Plan) -> Result<Capabilities, EngineError> {
        self.need_accounting(plan)?;
        self.need_room(plan)?;
        let loaded = self.load_modules(plan)?;
        Ok(Capabilities { jail_meta: self.has_meta()?, loaded })
    }

    fn names_taken(&mut self, new: &[&Object]) -> Result<Vec<String>, EngineError> {
        self.names_taken(new)
    }

    /// Jails that do not need each other are made side by side, for whoever asks: kernels up to 15.1 make them under one lock.
    fn perform_all(&mut self, lanes: &[Lane<'_>], jobs: NonZeroUsize) -> Option<Vec<Vec<StepResult>>> {
        let [lane] = lanes else { return None };
        let are_some = lane.steps.windows(2).any(|pair| jails(pair).len() == 2);
        are_some.then(|| vec![self.perform_up_to(&lane.place, &lane.steps, jobs)])
    }

    fn perform(&mut self, place: &Place, steps: &[&Step]) -> Vec<StepResult> {
        self.perform_up_to(place, steps, NonZeroUsize::MIN)
    }

    fn first_values(&mut self) -> Vec<Sysctl> {
        std::mem::take(&mut self.firsts)
    }

    fn observe(&mut self, scope: &Scope) -> Result<Observed, EngineError> {
        self.look(scope)
    }

    fn wait(&mut self, span: Duration) {
        self.doors.wait(span, &[]);
    }

    fn now(&mut self) -> Duration {
        self.doors.now()
    }

    fn lend(&mut self, nics: &[&Nic], patience: Duration) -> Result<(), NotHanded> {
        self.hand_out(nics, patience)
    }

    fn reclaim(&mut self, nics: &[&Nic], patience: Duration) -> Result<(), NotHanded> {
        self.hand_back(nics, patience)
    }

    fn probe(&mut self, echoes: &[Echo]) -> Result<Vec<EchoResult>, EngineError> {
        self.echo(echoes)
    }

    fn end_processes(&mut self, places: &[Place], ending: &Ending) -> Result<(), EngineError> {
        self.end(places, ending)
    }

    fn ruleset(&mut self, present: Option<u16>) -> Result<Option<u16>, EngineError> {
        self.usable_ruleset(present).map(Some)
    }

    fn execute(
        &mut self,
        place: &Place,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, NotRun> {
        let jid = match place {
            Place::Host => Jid::HOST,
            place => self.jail_of(place).map_err(NotRun::Refused)?,
        };
        self.doors.execute(jid, command, until, output).map_err(|error| not_run(place, error))
    }

    fn start_on(
        &mut self,
        place: &Place,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, NotRun> {
        let jid = match place {
            Place::Host => Jid::HOST,
            place => self.jail_of(place).map_err(NotRun::Refused)?,
        };
        self.doors.execute_on(jid, command, terminal).map_err(|error| not_run(place, error))
    }
}

/// The jails of nodes that the first steps make. That of the lab comes before all of them.
fn jails<'s>(steps: &[&'s Step]) -> Vec<&'s Jail> {
    let jail = |step: &&'s Step| match step {
        Step::CreateJail(jail) if step.is_independent() => Some(jail),
        _ => None,
    };
    steps.iter().map_while(jail).collect()
}

fn not_run(place: &Place, error: ExecuteError) -> NotRun {
    match error {
        ExecuteError::NotFound => NotRun::NotFound,
        ExecuteError::NotExecutable => NotRun::NotExecutable,
        ExecuteError::Kernel(errno) => {
            let refused = EngineError::refused(place.to_string(), "jail_attach", errno);
            NotRun::Refused(EngineError { message: format!("nothing can be run in `{place}`"), ..refused })
        }
    }
}
