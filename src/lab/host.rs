//! The host's own sysctls: what they were before us, and giving that back.

use crate::engine::Record;
use crate::graph::{Object, ObjectId, Owner, Place, Sysctl};
use crate::plan::{Action, Attribute, Cause, Change, Plan, Planned, Step};

/// Sysctls of the host that the plan is about to change, as they are now; those changed earlier as they were then.
pub(super) fn sysctls_before(plan: &Plan, previous: Option<&Record>) -> Vec<Sysctl> {
    let mut kept: Vec<Sysctl> = previous.map(|record| record.host_sysctls.clone()).unwrap_or_default();
    for object in plan.desired.in_order() {
        if let Object::Sysctl(wanted) = object
            && wanted.place == Place::Host
            && !kept.iter().any(|known| known.name == wanted.name)
            && let Some(Object::Sysctl(now)) = plan.before.get(&object.id())
        {
            kept.push(now.clone());
        }
    }
    kept
}

/// Gives the host's sysctls that are no longer wanted the values they had before us.
pub(super) fn restore(plan: &mut Plan, record: Option<&Record>) {
    let last = plan.steps.iter().map(|planned| planned.stage).max().unwrap_or(0);
    for original in record.into_iter().flat_map(|record| &record.host_sysctls) {
        let id = ObjectId::Sysctl(Place::Host, original.name.clone());
        if plan.desired.get(&id).is_some() {
            continue;
        }
        if let Some(Object::Sysctl(now)) = plan.before.get(&id)
            && now.value != original.value
        {
            let (name, from) = (original.name.clone(), Some(now.value.clone()));
            let attribute = Attribute {
                name: "value".to_owned(),
                old: Some(now.value.clone()),
                new: Some(original.value.clone()),
                forces: false,
            };
            plan.changes.push(Change {
                action: Action::Change,
                owner: plan.before.owner(&id).cloned().unwrap_or(Owner::Lab),
                kind: "sysctl",
                name: name.to_string(),
                attributes: vec![attribute],
                cause: Cause::Edit,
            });
            let step = Step::SetSysctl { place: Place::Host, name, from, to: original.value.clone() };
            plan.steps.push(Planned { step, stage: last });
        }
    }
}
