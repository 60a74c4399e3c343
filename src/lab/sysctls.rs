//! First values of sysctls: what they were before us, and giving that back.

use crate::engine::Record;
use crate::graph::{Graph, Object, ObjectId, Owner, Place, Sysctl};
use crate::plan::{self, Action, Attribute, Cause, Change, LinuxStep, Plan, Planned, Step};

/// Sysctls that the plan is about to change, as they are now; those changed earlier as they were then. Of `applied` only the host's
/// can still be as they were before us.
pub(super) fn first_values(plan: &Plan, previous: Option<&Record>, applied: Option<&Graph>) -> Vec<Sysctl> {
    let mut kept: Vec<Sysctl> = previous.map(|record| record.first_sysctls.clone()).unwrap_or_default();
    kept.retain(|sysctl| lasts(plan, &sysctl.place));
    for object in plan.desired.objects() {
        let Object::Sysctl(wanted) = object else { continue };
        let is_ours = || applied.is_some_and(|applied| applied.get(&object.id()).is_some());
        let is_told = wanted.place == Place::Host
            || plan::default_of(&wanted.name).is_none() && !is_ours() && lasts(plan, &wanted.place);
        if is_told
            && !knows(&kept, wanted)
            && let Some(Object::Sysctl(now)) = plan.before.get(&object.id())
        {
            kept.push(now.clone());
        }
    }
    kept
}

/// Adds what was read of new network stacks before it was changed.
pub(super) fn add(kept: &mut Vec<Sysctl>, read: Vec<Sysctl>) {
    for sysctl in read {
        if sysctl.place != Place::Host && !knows(kept, &sysctl) {
            kept.push(sysctl);
        }
    }
}

fn knows(kept: &[Sysctl], sysctl: &Sysctl) -> bool {
    kept.iter().any(|known| known.place == sysctl.place && known.name == sysctl.name)
}

/// Whether the network stack of a place is there before and afterwards, and the same.
fn lasts(plan: &Plan, place: &Place) -> bool {
    let jail = ObjectId::Jail(place.clone());
    let goes = |planned: &Planned| match &planned.step {
        Step::RemoveJail(gone) => gone.place == *place,
        Step::Linux(LinuxStep::RemoveNamespace(gone)) => gone.place == *place,
        _ => false,
    };
    let stays = || plan.before.get(&jail).is_some() && plan.desired.get(&jail).is_some();
    *place == Place::Host || stays() && !plan.steps.iter().any(goes)
}

/// Gives sysctls that are no longer wanted the values they had before us.
pub(super) fn restore(plan: &mut Plan, record: Option<&Record>) {
    let last = plan.steps.iter().map(|planned| planned.stage).max().unwrap_or(0);
    for original in record.into_iter().flat_map(|record| &record.first_sysctls) {
        let id = ObjectId::Sysctl(original.place.clone(), original.name.clone());
        if plan.desired.get(&id).is_some() || !lasts(plan, &original.place) {
            continue;
        }
        let Some(Object::Sysctl(now)) = plan.before.get(&id) else { continue };
        let unknown = plan::unknown_first_value(now);
        if now.value != original.value {
            let (place, name, from) = (now.place.clone(), now.name.clone(), Some(now.value.clone()));
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
            let step = Step::SetSysctl { place, name, from, to: original.value.clone() };
            plan.steps.push(Planned { step, stage: last });
        }
        plan.notes.retain(|note| *note != unknown);
    }
}
