//! Whether the engine can work on a kernel at all, asked before anything else.

use super::FreeBsd;
use super::doors::{Actor, Doors, HostDoor};
use crate::abi::{Errno, sysctl};
use crate::engine::{EngineError, Lack, Unusable};
use crate::plan::{Plan, Step};

const MOST_CHILDREN: &str = "security.jail.children.max";
const CHILDREN: &str = "security.jail.children.cur";

/// Makes sure that jails with stacks of their own can be made by us.
///
/// # Errors
/// What is missing.
pub fn admit(doors: &mut impl HostDoor) -> Result<(), Unusable> {
    if number(doors, "kern.features.vimage")?.unwrap_or(0) == 0 {
        return Err(Unusable::new(
            Lack::System,
            "the kernel has no VIMAGE: jails cannot have network stacks of their own",
            Some("boot a kernel with `options VIMAGE`, as GENERIC is"),
        ));
    }
    if !doors.is_root() {
        return Err(Unusable::new(
            Lack::Permission,
            "it needs root",
            Some("run it as root; `--engine sim` needs no privilege"),
        ));
    }
    if number(doors, "security.jail.jailed")?.unwrap_or(0) == 0 {
        return Ok(());
    }
    if number(doors, "security.jail.vnet")?.unwrap_or(0) == 0 {
        return Err(Unusable::new(
            Lack::Permission,
            "this process is in a jail without a network stack of its own",
            Some("give that jail `vnet` and `children.max`, or run it on the host"),
        ));
    }
    let most = number(doors, MOST_CHILDREN)?.unwrap_or(0);
    let now = number(doors, CHILDREN)?.unwrap_or(0);
    if most <= now {
        return Err(Unusable::new(
            Lack::Permission,
            &format!("this process is in a jail that may have {most} jails below it and has {now}"),
            Some("raise that jail's `children.max`, or run it on the host"),
        ));
    }
    Ok(())
}

impl<D: Doors> FreeBsd<'_, D> {
    /// Whether there is room for all jails of a plan below the jail that we are in, if we are in one.
    pub(super) fn need_room(&mut self, plan: &Plan) -> Result<(), EngineError> {
        let count = |which: fn(&Step) -> bool| plan.steps.iter().filter(|planned| which(&planned.step)).count();
        let made = count(|step| matches!(step, Step::CreateJail(_)));
        let wanted = made.saturating_sub(count(|step| matches!(step, Step::RemoveJail(_))));
        if wanted == 0 {
            return Ok(());
        }
        let mut ask = |name| match self.doors.sysctl_get(Actor::Host, name) {
            Ok(value) => Ok(sysctl::read_int(&value)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(EngineError::refused(name, "sysctl", errno)),
        };
        let (Some(most), Some(now)) = (ask(MOST_CHILDREN)?, ask(CHILDREN)?) else { return Ok(()) };
        if i64::try_from(wanted).is_ok_and(|wanted| wanted <= most - now) {
            return Ok(());
        }
        let refused = EngineError::refused(MOST_CHILDREN, "jail_set", Errno::EPERM);
        let message = format!("the lab needs {wanted} more jails where {most} may be and {now} are");
        Err(EngineError { message, ..refused }
            .hint("raise `children.max` of the jail that this is run in, or run it on the host"))
    }
}

/// A number of the kernel; `None` if it does not know the name.
fn number(doors: &mut impl HostDoor, name: &str) -> Result<Option<i64>, Unusable> {
    match doors.sysctl_get(Actor::Host, name) {
        Ok(value) => Ok(sysctl::read_int(&value)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(Unusable::new(Lack::Configuration, &format!("sysctl {name} cannot be read: {errno}"), None)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::engine::freebsd::doors::Sock;

    /// A host that answers a few questions and cannot be changed.
    struct Host {
        numbers: BTreeMap<&'static str, i32>,
        root: bool,
    }

    impl HostDoor for Host {
        fn sysctl_get(&mut self, _: Actor, name: &str) -> Result<Vec<u8>, Errno> {
            self.numbers.get(name).map(|number| sysctl::int(*number)).ok_or(Errno::ENOENT)
        }

        fn sysctl_set(&mut self, _: Actor, _: &str, _: &[u8]) -> Result<(), Errno> {
            Err(Errno::EPERM)
        }

        fn is_root(&mut self) -> bool {
            self.root
        }

        fn load_module(&mut self, _: &str) -> Result<(), Errno> {
            Err(Errno::EPERM)
        }

        fn has_module(&mut self, _: &str) -> bool {
            false
        }

        fn boot_identity(&mut self) -> String {
            String::new()
        }

        fn now(&mut self) -> Duration {
            Duration::ZERO
        }

        fn wait(&mut self, _: Duration, _: &[Sock]) {}
    }

    #[test]
    fn only_who_can_make_jails_with_stacks_comes_in() {
        const VIMAGE: (&str, i32) = ("kern.features.vimage", 1);
        const JAILED: (&str, i32) = ("security.jail.jailed", 1);
        const OWN: (&str, i32) = ("security.jail.vnet", 1);
        let asked = |root, numbers: &[(&'static str, i32)]| {
            admit(&mut Host { numbers: numbers.iter().copied().collect(), root }).map_err(|unusable| {
                assert!(unusable.hint.is_some());
                (unusable.lack, unusable.message)
            })
        };
        let children = |most, now| [("security.jail.children.max", most), ("security.jail.children.cur", now)];
        assert_eq!(asked(true, &[VIMAGE]), Ok(()));
        assert_eq!(asked(true, &[VIMAGE, ("security.jail.jailed", 0)]), Ok(()));
        assert_eq!(asked(true, &[&[VIMAGE, JAILED, OWN][..], &children(9, 8)].concat()), Ok(()));
        for (root, numbers, lack, word) in [
            (true, vec![], Lack::System, "VIMAGE"),
            (true, vec![("kern.features.vimage", 0)], Lack::System, "VIMAGE"),
            (false, vec![VIMAGE], Lack::Permission, "root"),
            (true, vec![VIMAGE, JAILED], Lack::Permission, "without a network stack"),
            (true, [&[VIMAGE, JAILED, OWN][..], &children(9, 9)].concat(), Lack::Permission, "has 9"),
        ] {
            let (found, message) = asked(root, &numbers).unwrap_err();
            assert_eq!(found, lack, "{message}");
            assert!(message.contains(word), "{message}");
        }
    }
}
