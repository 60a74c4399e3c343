//! The roots of nodes: folders, clones, devfs rulesets and mounts of ours.

use std::collections::BTreeMap;

use super::FreeBsd;
use super::doors::{Doors, ExecuteError, FileRefusal, MountOption, UNFINISHED, ZfsAnswer};
use crate::abi::Errno;
use crate::abi::devfs::{DEVFSIO_RADD, DEVFSIO_RDEL, DEVFSIO_RGETNEXT, DEVFSIO_SGETNEXT, Rule, rule_id};
use crate::abi::mount::MNT_RDONLY;
use crate::engine::EngineError;
use crate::graph::life::{Clone as ZfsClone, DEVICES, is_within};
use crate::graph::{FIRST_RULESET, Folder, Mount, Mounted, Name, Ruleset};
use crate::plan::{LifeScope, ObservedClone, ObservedLife, ObservedMount};

/// Says that a dataset is ours; its value is where we mounted it, below our state directory.
const PROPERTY: &str = "cellblock:root";

impl<D: Doors> FreeBsd<'_, D> {
    pub(super) fn make_folder(&mut self, folder: &Folder) -> Result<(), EngineError> {
        match self.doors.make_folder(&folder.path, folder.copy_of.as_deref()) {
            Ok(()) => Ok(()),
            // An empty one that is there already, from before a crash, is as good.
            Err(refusal) if refusal.errno == Errno::EEXIST && folder.copy_of.is_none() => Ok(()),
            Err(refusal) => Err(match &folder.copy_of {
                Some(from) => refused(&folder.path, "copy", refusal)
                    .hint(format!("`{from}` must be a directory that can be copied, and there must be room for it")),
                None => refused(&folder.path, "mkdir", refusal),
            }),
        }
    }

    pub(super) fn remove_folder(&mut self, folder: &Folder) -> Result<(), EngineError> {
        let mounts = self.doors.mounts().map_err(|errno| EngineError::refused(&*folder.path, "getfsstat", errno))?;
        if let Some(mount) = mounts.iter().find(|mount| is_within(&mount.at, &folder.path)) {
            let message = format!("`{}` is not removed: `{}` is mounted there", folder.path, mount.from);
            return Err(EngineError::strange(&*folder.path, "rmdir", message)
                .hint(format!("`umount {}`, then `down` again", mount.at)));
        }
        self.doors.remove_folder(&folder.path).map_err(|refusal| refused(&folder.path, "rmdir", refusal))
    }

    pub(super) fn mount(&mut self, mount: &Mount) -> Result<(), EngineError> {
        let (options, flags) = match &mount.what {
            Mounted::Folder { from, read_only } => {
                let options = vec![
                    MountOption::new("fstype", "nullfs"),
                    MountOption::new("fspath", &*mount.at),
                    MountOption::new("from", &**from),
                ];
                (options, if *read_only { MNT_RDONLY } else { 0 })
            }
            Mounted::Devices { ruleset } => {
                self.need_ruleset(*ruleset)?;
                let options = vec![
                    MountOption::new("fstype", "devfs"),
                    MountOption::new("fspath", &*mount.at),
                    MountOption::new("from", "devfs"),
                    MountOption::new("ruleset", ruleset.to_string()),
                ];
                (options, 0)
            }
        };
        self.doors.mount(&options, flags).map_err(|refusal| {
            let hint = match (&mount.what, refusal.errno) {
                (Mounted::Folder { from, .. }, Errno::ENOENT) => {
                    format!("`{from}` and `{}` must be directories", mount.at)
                }
                (_, Errno::ENOENT) => format!("`{}` must be a directory", mount.at),
                _ => "the kernel's messages (dmesg) may say more".to_owned(),
            };
            refused(&mount.at, "nmount", refusal).hint(hint)
        })
    }

    pub(super) fn unmount(&mut self, mount: &Mount) -> Result<(), EngineError> {
        match self.doors.unmount(&mount.at, 0) {
            // Nothing is mounted there: gone meanwhile, or never made.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
            Err(errno) => Err(EngineError::refused(&*mount.at, "unmount", errno).hint(format!(
                "`fstat -f {0}` shows who has files open there, `mount` what else is mounted below; then try again",
                mount.at
            ))),
        }
    }

    /// A number that does not exist would be made, without rules: the jail would see every device of the host
    /// (`sys/fs/devfs/devfs_rule.c:751`).
    fn need_ruleset(&mut self, number: u16) -> Result<(), EngineError> {
        if self.rule_after(number, 0)?.is_none() {
            let name = format!("devfs ruleset {number}");
            let message = format!("there is no {name}, and a jail without rules would see every device");
            return Err(EngineError::strange(&name, "DEVFSIO_RGETNEXT", message)
                .hint("leave `devfs_ruleset` out for a safe one, or load yours: `service devfs start`"));
        }
        Ok(())
    }

    pub(super) fn add_ruleset(&mut self, ruleset: Ruleset) -> Result<(), EngineError> {
        let number = ruleset.number;
        let present = self.rules(number)?;
        let wanted = self.wanted_rules(number);
        if !present.is_empty() && !self.is_ours(&present) {
            let name = format!("devfs ruleset {number}");
            return Err(EngineError::strange(&name, "DEVFSIO_RADD", format!("{name} is somebody else's by now"))
                .hint("run `up` again: it takes another number"));
        }
        for rule in wanted.iter().filter(|rule| !present.iter().any(|known| same(known, rule))) {
            self.devfs(number, "DEVFSIO_RADD", DEVFSIO_RADD, &mut rule.encode())?;
        }
        Ok(())
    }

    pub(super) fn remove_ruleset(&mut self, ruleset: Ruleset) -> Result<(), EngineError> {
        let present = self.rules(ruleset.number)?;
        if !self.is_ours(&present) {
            return Ok(());
        }
        // The mark goes last: what is left after a crash is still ours.
        for rule in present.iter().rev() {
            let mut id = rule_id(ruleset.number, rule.number);
            self.devfs(ruleset.number, "DEVFSIO_RDEL", DEVFSIO_RDEL, &mut id)?;
        }
        Ok(())
    }

    /// The first rule says whose the set is, by a name that no device has; then everything is hidden but a few devices.
    fn wanted_rules(&self, ruleset: u16) -> Vec<Rule> {
        let rule = |pattern: Option<&str>, hide| Rule { ruleset, number: 0, pattern: pattern.map(str::to_owned), hide };
        let mut rules = vec![rule(Some(&self.mark()), true), rule(None, true)];
        rules.extend(DEVICES.iter().map(|pattern| rule(Some(pattern), false)));
        rules
    }

    fn mark(&self) -> String {
        format!("cellblock-{}", self.token)
    }

    fn is_ours(&self, rules: &[Rule]) -> bool {
        rules.first().is_some_and(|first| first.pattern.as_deref() == Some(&*self.mark()))
    }

    /// Every rule of a set, in order; none if there is no such set.
    fn rules(&mut self, ruleset: u16) -> Result<Vec<Rule>, EngineError> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut last = 0;
        while let Some(rule) = self.rule_after(ruleset, last)? {
            last = rule.number;
            rules.push(rule);
        }
        Ok(rules)
    }

    /// The rule with the next higher number.
    fn rule_after(&mut self, ruleset: u16, number: u16) -> Result<Option<Rule>, EngineError> {
        let mut argument = Rule { ruleset, number, pattern: None, hide: false }.encode();
        match self.doors.devfs_ioctl(DEVFSIO_RGETNEXT, &mut argument) {
            Ok(()) => Ok(Rule::decode(&argument).filter(|rule| rule.number > number)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(devfs_refused(ruleset, "DEVFSIO_RGETNEXT", errno)),
        }
    }

    fn devfs(&mut self, ruleset: u16, name: &str, request: u32, argument: &mut [u8]) -> Result<(), EngineError> {
        self.doors.devfs_ioctl(request, argument).map_err(|errno| devfs_refused(ruleset, name, errno))
    }

    /// The number that the lab's ruleset has, if it is still the lab's or nobody's; else the lowest that nobody has, from our first
    /// one on.
    pub(super) fn usable_ruleset(&mut self, present: Option<u16>) -> Result<u16, EngineError> {
        if let Some(number) = present {
            let rules = self.rules(number)?;
            if rules.is_empty() || self.is_ours(&rules) {
                return Ok(number);
            }
        }
        let mut free = FIRST_RULESET;
        loop {
            let mut argument = (free - 1).to_le_bytes();
            match self.doors.devfs_ioctl(DEVFSIO_SGETNEXT, &mut argument) {
                Ok(()) if u16::from_le_bytes(argument) == free && free < u16::MAX => free += 1,
                Ok(()) | Err(Errno::ENOENT) => return Ok(free),
                Err(errno) => return Err(devfs_refused(free, "DEVFSIO_SGETNEXT", errno)),
            }
        }
    }

    pub(super) fn make_clone(&mut self, clone: &ZfsClone) -> Result<(), EngineError> {
        let (mountpoint, owner) = (format!("mountpoint={}", clone.at), format!("{PROPERTY}={}", clone.at));
        let arguments = ["clone", "-o", &mountpoint, "-o", &owner, &clone.of, &clone.dataset];
        self.zfs(&clone.dataset, &arguments).map(drop)
    }

    pub(super) fn remove_clone(&mut self, clone: &ZfsClone) -> Result<(), EngineError> {
        // Never what is not ours: the property is asked for again.
        if self.clones(std::iter::once((&clone.dataset, &clone.at)))?.is_empty() {
            return Ok(());
        }
        self.zfs(&clone.dataset, &["destroy", &clone.dataset]).map(drop)
    }

    /// Our clones among these datasets, which are mounted at these places: the property says where we put it, and that place is
    /// ours alone.
    fn clones<'n>(
        &mut self,
        wanted: impl Iterator<Item = (&'n Name, &'n Name)>,
    ) -> Result<BTreeMap<Name, ObservedClone>, EngineError> {
        let wanted: BTreeMap<&str, &str> = wanted.map(|(dataset, at)| (&**dataset, &**at)).collect();
        let columns = format!("name,origin,mountpoint,{PROPERTY}");
        let mut arguments = vec!["list", "-H", "-p", "-o", &columns];
        arguments.extend(wanted.keys());
        let first = wanted.keys().next().copied().unwrap_or_default();
        // It complains of those that are not there, and lists the others.
        let answer = self.run_zfs(first, &arguments)?;
        let line = |line: &str| {
            let mut fields = line.split('\t');
            let (name, of, at, owner) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            let clone = ObservedClone { of: of.into(), at: at.into() };
            (wanted.get(name) == Some(&owner)).then(|| (Name::from(name), clone))
        };
        Ok(answer.output.lines().filter_map(line).collect())
    }

    fn zfs(&mut self, dataset: &str, arguments: &[&str]) -> Result<ZfsAnswer, EngineError> {
        let answer = self.run_zfs(dataset, arguments)?;
        if answer.code == 0 {
            return Ok(answer);
        }
        let call = format!("zfs {}", arguments.first().copied().unwrap_or_default());
        let said = answer.complaint.trim().lines().next().unwrap_or("nothing").to_owned();
        Err(EngineError::strange(dataset, &call, format!("`{call}` failed: {said}")))
    }

    fn run_zfs(&mut self, dataset: &str, arguments: &[&str]) -> Result<ZfsAnswer, EngineError> {
        self.doors.zfs(arguments).map_err(|error| match error {
            ExecuteError::Kernel(errno) => EngineError::refused(dataset, "zfs", errno),
            ExecuteError::NotFound | ExecuteError::NotExecutable => {
                EngineError::strange(dataset, "zfs", "this host has no zfs(8)")
                    .hint("`rootfs: { base: … }` needs no ZFS")
            }
        })
    }

    /// What there is of roots.
    pub(super) fn see_roots(&mut self, scope: &LifeScope, seen: &mut ObservedLife) -> Result<(), EngineError> {
        for path in &scope.folders {
            let mut is_there =
                |path: &str| self.doors.is_folder(path).map_err(|errno| EngineError::refused(path, "stat", errno));
            if is_there(path)? {
                seen.folders.insert(path.clone(), true);
            } else if is_there(&format!("{path}{UNFINISHED}"))? {
                seen.folders.insert(path.clone(), false);
            }
        }
        if !scope.mounts.is_empty() {
            let mounts = self.doors.mounts().map_err(|errno| EngineError::refused("mounts", "getfsstat", errno))?;
            for mount in mounts.into_iter().filter(|mount| scope.mounts.contains(&*mount.at)) {
                let found =
                    ObservedMount { kind: mount.kind, from: mount.from.as_str().into(), read_only: mount.read_only };
                seen.mounts.insert(mount.at.as_str().into(), found);
            }
        }
        for number in &scope.rulesets {
            let rules = self.rules(*number)?;
            if self.is_ours(&rules) {
                seen.rulesets.insert(*number);
            }
        }
        if !scope.clones.is_empty() {
            seen.clones = self.clones(scope.clones.iter())?;
        }
        Ok(())
    }
}

fn same(a: &Rule, b: &Rule) -> bool {
    a.pattern == b.pattern && a.hide == b.hide
}

fn refused(path: &str, call: &str, refusal: FileRefusal) -> EngineError {
    let error = EngineError::refused(path, call, refusal.errno);
    if refusal.message.is_empty() || refusal.message == path { error } else { error.detail(refusal.message) }
}

fn devfs_refused(ruleset: u16, call: &str, errno: Errno) -> EngineError {
    EngineError::refused(format!("devfs ruleset {ruleset}"), call, errno)
}
