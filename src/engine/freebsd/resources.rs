//! Limits and processors of jails.

use super::FreeBsd;
use super::doors::{Doors, RctlCall};
use crate::abi::{Errno, cpuset, sysctl};
use crate::engine::EngineError;
use crate::graph::{Limit, Place};
use crate::model::CpuSet;
use crate::plan::{LifeScope, ObservedLife, ObservedLimit, Plan, Step};

impl<D: Doors> FreeBsd<'_, D> {
    /// Limits need a kernel that counts, which is decided at boot.
    pub(super) fn need_accounting(&mut self, plan: &Plan) -> Result<(), EngineError> {
        if !plan.steps.iter().any(|planned| matches!(planned.step, Step::AddLimit(_))) {
            return Ok(());
        }
        const NAME: &str = "kern.racct.enable";
        let counts = match self.doors.sysctl_get(super::doors::Actor::Host, NAME) {
            Ok(value) => sysctl::read_int(&value).unwrap_or(0) != 0,
            Err(Errno::ENOENT) => false,
            Err(errno) => return Err(EngineError::refused(NAME, "sysctl", errno)),
        };
        if counts {
            return Ok(());
        }
        Err(EngineError::strange(NAME, "sysctl", "the kernel does not count resources, so nothing can be limited")
            .hint("`kern.racct.enable=1` in /boot/loader.conf and a reboot switch it on; or leave `limits` out"))
    }

    pub(super) fn add_limit(&mut self, limit: &Limit) -> Result<(), EngineError> {
        let rule = self.rule(limit)?;
        self.doors.rctl(RctlCall::Add, &rule).map(drop).map_err(|errno| {
            EngineError::refused(&rule, "rctl_add_rule", errno)
                .hint("rctl(8) says which action goes with which resource")
        })
    }

    pub(super) fn remove_limit(&mut self, limit: &Limit) -> Result<(), EngineError> {
        let rule = self.rule(limit)?;
        match self.doors.rctl(RctlCall::Remove, &rule) {
            Ok(_) | Err(Errno::ESRCH | Errno::ENOSYS) => Ok(()),
            Err(errno) => Err(EngineError::refused(rule, "rctl_remove_rule", errno)),
        }
    }

    fn rule(&self, limit: &Limit) -> Result<String, EngineError> {
        let jail = self.name_of(&limit.place)?;
        Ok(format!("jail:{jail}:{}:{}={}", limit.resource, limit.action, limit.amount))
    }

    /// Rules on a jail: they are by its name and outlive it.
    fn limits(&mut self, place: &Place) -> Result<Vec<ObservedLimit>, EngineError> {
        let jail = self.name_of(place)?;
        let prefix = format!("jail:{jail}:");
        let rules = match self.doors.rctl(RctlCall::Get, &prefix) {
            Ok(rules) => rules,
            Err(Errno::ENOSYS) => return Ok(Vec::new()),
            Err(errno) => return Err(EngineError::refused(prefix, "rctl_get_rules", errno)),
        };
        let read = |rule: &str| {
            let (resource, rest) = rule.strip_prefix(&prefix)?.split_once(':')?;
            let (action, amount) = rest.split_once('=')?;
            let amount = amount.parse().ok()?;
            Some(ObservedLimit { resource: resource.into(), action: action.into(), amount })
        };
        Ok(rules.split(',').filter_map(read).collect())
    }

    /// `None` is what the lab jail has.
    pub(super) fn set_cpus(&mut self, place: &Place, to: Option<&CpuSet>) -> Result<(), EngineError> {
        let mask = match to {
            Some(set) => cpuset::encode(set.iter()),
            None => self.cpu_mask(&Place::Lab)?,
        };
        let jid = self.jid(place)?;
        let object = format!("processors of {place}");
        self.doors.cpuset_set(jid, &mask).map_err(|errno| {
            EngineError::refused(object, "cpuset_setaffinity", errno)
                .hint("`cpuset -g` lists the processors there are, `sysctl hw.ncpu` how many")
        })
    }

    fn cpu_mask(&mut self, place: &Place) -> Result<Vec<u8>, EngineError> {
        let jid = self.jid(place)?;
        let refused = |errno| EngineError::refused(format!("processors of {place}"), "cpuset_getaffinity", errno);
        self.doors.cpuset_get(jid).map_err(refused)
    }

    /// What there is of limits and processors.
    pub(super) fn see_resources(
        &mut self,
        scope: &LifeScope,
        jails: &[Place],
        seen: &mut ObservedLife,
    ) -> Result<(), EngineError> {
        for place in &scope.limits {
            let limits = self.limits(place)?;
            if !limits.is_empty() {
                seen.limits.insert(place.clone(), limits);
            }
        }
        if scope.cpus.is_empty() {
            return Ok(());
        }
        for place in jails.iter().filter(|place| **place == Place::Lab || scope.cpus.contains(*place)) {
            let mask = self.cpu_mask(place)?;
            if let Some(set) = CpuSet::new(cpuset::decode(&mask)) {
                seen.cpus.insert(place.clone(), set);
            }
        }
        Ok(())
    }
}
