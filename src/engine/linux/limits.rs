//! Limits and processors of nodes.

use super::Engineer;
use super::kernel::{Kernel, Knob};
use crate::engine::EngineError;
use crate::graph::Limit;
use crate::plan::{LifeScope, ObservedLife, ObservedLimit};

impl<K: Kernel> Engineer<'_, K> {
    pub(super) fn set_limit(&mut self, limit: &Limit) -> Result<(), EngineError> {
        self.kernel.set_knob(&self.lab, &limit.place, &knob(limit)?)
    }

    pub(super) fn unset_limit(&mut self, limit: &Limit) -> Result<(), EngineError> {
        self.kernel.unset_knob(&self.lab, &limit.place, &knob(limit)?)
    }

    /// What there is of them.
    pub(super) fn see_limits(&mut self, scope: &LifeScope, seen: &mut ObservedLife) -> Result<(), EngineError> {
        if scope.limits.is_empty() && scope.cpus.is_empty() {
            return Ok(());
        }
        for (place, knobs) in self.kernel.knobs(&self.lab)? {
            for knob in knobs {
                if let Knob::Processors(set) = &knob {
                    seen.cpus.insert(place.clone(), set.clone());
                } else if let Some((resource, amount)) = knob.limit() {
                    let limit = ObservedLimit { resource: resource.into(), action: "deny".into(), amount };
                    seen.limits.entry(place.clone()).or_default().push(limit);
                }
            }
        }
        Ok(())
    }
}

fn knob(limit: &Limit) -> Result<Knob, EngineError> {
    Knob::of(&limit.resource, &limit.action, limit.amount).ok_or_else(|| {
        let object = format!("{} of {}", limit.resource, limit.place);
        let message = format!("Linux cannot {} {}", limit.action, limit.resource);
        EngineError::strange(object, "", message)
    })
}
