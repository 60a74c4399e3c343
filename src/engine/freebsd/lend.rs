//! Interfaces that go to the host for another tool to take, and come back.
//!
//! Lab jail and host exchange them by the host's own process on a socket of its own: thread and socket are in one vnet, and the
//! host is the only one of the two that can name the other. When a jail dies, the kernel returns what was born in the lab jail to
//! the lab jail, whoever gave it away; but under the name that it had at the end, and without a look at who else has that name.

use std::time::Duration;

use super::FreeBsd;
use super::doors::Doors;
use super::session::Session;
use crate::abi::Errno;
use crate::engine::{EngineError, NotHanded};
use crate::graph::{Nic, Place, Placement};
use crate::netlink::reply::Link;

/// How long at a time to wait for a jail to let go.
const PAUSE: Duration = Duration::from_millis(20);

/// Where an interface of the lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    Lab,
    Host,
    Elsewhere,
}

/// What is open on both sides while interfaces change hands.
struct Sides {
    lab: Session,
    host: Session,
}

impl<D: Doors> FreeBsd<'_, D> {
    pub(super) fn hand_out(&mut self, nics: &[&Nic], patience: Duration) -> Result<(), NotHanded> {
        self.between(|engine, sides| {
            let mut moved = Vec::new();
            let outcome = nics.iter().try_for_each(|nic| match engine.settled(sides, nic, patience)? {
                Whereabouts::Host => Ok(()),
                Whereabouts::Elsewhere => Err(NotHanded::InJail(nic.of().to_owned())),
                Whereabouts::Lab => {
                    engine.give(&mut sides.host, &loan(nic))?;
                    moved.push(*nic);
                    Ok(())
                }
            });
            if outcome.is_err() {
                for nic in moved.into_iter().rev() {
                    // The first failure is the one that is told; what stays on the host is taken by the next `attach` or `down`.
                    let _ = engine.take_back(&mut sides.host, &loan(nic));
                }
            }
            outcome
        })
    }

    pub(super) fn hand_back(&mut self, nics: &[&Nic], patience: Duration) -> Result<(), NotHanded> {
        self.between(|engine, sides| {
            let mut failure = None;
            for nic in nics {
                let back = match engine.settled(sides, nic, patience) {
                    Ok(Whereabouts::Lab) => Ok(()),
                    Ok(Whereabouts::Elsewhere) => Err(NotHanded::InJail(nic.of().to_owned())),
                    Ok(Whereabouts::Host) => engine.take_back(&mut sides.host, &loan(nic)).map_err(NotHanded::from),
                    Err(error) => Err(error.into()),
                };
                // One that cannot come does not keep the others away.
                failure = failure.or(back.err());
            }
            failure.map_or(Ok(()), Err)
        })
    }

    /// Opens both sides of a lab that is ours, and closes them again.
    fn between(&mut self, work: impl FnOnce(&mut Self, &mut Sides) -> Result<(), NotHanded>) -> Result<(), NotHanded> {
        let jid = self.own_lab()?.ok_or(NotHanded::NoLab)?;
        self.jids.insert(Place::Lab, jid);
        let mut sides = Sides { lab: Session::new(Place::Lab), host: Session::new(Place::Host) };
        let outcome = work(self, &mut sides);
        sides.lab.close(self.doors);
        sides.host.close(self.doors);
        outcome
    }

    /// Where it is, once a jail that is about to die has let go of it.
    fn settled(&mut self, sides: &mut Sides, nic: &Nic, patience: Duration) -> Result<Whereabouts, EngineError> {
        let end = self.doors.now() + patience;
        loop {
            let found = self.whereabouts(sides, nic)?;
            if found != Whereabouts::Elsewhere || self.doors.now() >= end {
                return Ok(found);
            }
            self.doors.wait(PAUSE, &[]);
        }
    }

    fn whereabouts(&mut self, sides: &mut Sides, nic: &Nic) -> Result<Whereabouts, EngineError> {
        if self.is_there(&mut sides.lab, nic)? {
            return Ok(Whereabouts::Lab);
        }
        if self.is_there(&mut sides.host, nic)? {
            return Ok(Whereabouts::Host);
        }
        self.name_again(&mut sides.lab, nic)?;
        Ok(if self.is_there(&mut sides.lab, nic)? { Whereabouts::Lab } else { Whereabouts::Elsewhere })
    }

    /// Whether it is in that stack under the name it was made with; a stranger of that name is a refusal.
    fn is_there(&mut self, session: &mut Session, nic: &Nic) -> Result<bool, EngineError> {
        if !self.exists(session, &nic.name)? {
            return Ok(false);
        }
        if self.describes(session, nic)? {
            return Ok(true);
        }
        let object = self.at(&session.place, &nic.name);
        Err(EngineError::refused(object, "SIOCGIFDESCR", Errno::EEXIST)
            .detail("an interface of that name is there, without our description")
            .hint("rename it, or give it its description again: `cellblock inspect --names` says whose it would be"))
    }

    /// Gives an interface that came home to the lab jail under another name its own again. Of several with one name a rename takes
    /// whichever the kernel finds first: then that one is put aside, to be found by its description when its turn comes.
    fn name_again(&mut self, lab: &mut Session, nic: &Nic) -> Result<(), EngineError> {
        let here = self.links(lab)?;
        let Some(wrong) = wrong_name(&here, &nic.description) else { return Ok(()) };
        for number in 0..here.len() {
            self.rename(lab, wrong, &nic.name)?;
            if self.describes(lab, nic)? {
                return Ok(());
            }
            let free = (number..)
                .map(|number| format!("aside{number}"))
                .find(|name| here.iter().all(|link| link.name != *name));
            self.rename(lab, &nic.name, &free.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Whether what has its name there is it, by the description, which an interface keeps wherever it goes.
    fn describes(&mut self, session: &mut Session, nic: &Nic) -> Result<bool, EngineError> {
        Ok(self.description(session, &nic.name)?.as_deref() == Some(&*nic.description))
    }
}

/// What the interface of that description is called. Where descriptions are asked for by name, of several with one name only the
/// first has told its own: then it may be any of them.
fn wrong_name<'l>(here: &'l [Link], description: &str) -> Option<&'l str> {
    let told = here.iter().find(|link| link.description.as_deref() == Some(description));
    let twice = |link: &&Link| {
        link.description.is_none() && here.iter().filter(|other| other.name == link.name).nth(1).is_some()
    };
    told.or_else(|| here.iter().find(twice)).map(|link| link.name.as_str())
}

/// To the host, under the name that is unique on it.
fn loan(nic: &Nic) -> Placement {
    Placement { nic: nic.name.clone(), place: Place::Host, name: nic.name.clone(), no_dad: false }
}
