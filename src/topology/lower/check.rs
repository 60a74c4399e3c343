//! `checks:`.

use super::super::choice::NOT_YET;
use super::super::each::Unit;
use super::super::{codes, decode, file};
use super::Lowering;
use crate::diagnostic::{At, Diagnostic, suggest};
use crate::model::{CheckSpec, Delay, Expect, FamilyChoice};

const KNOWN: [&str; 2] = ["reach", "no-reach"];
/// More tries than anybody waits for.
const MOST_TRIES: u32 = 1000;

impl Lowering<'_, '_> {
    pub(super) fn check(&mut self, unit: Unit) -> Option<At<CheckSpec>> {
        let (mut tree, row) = (unit.tree, unit.row.as_ref());
        let other = tree.entries().iter().find(|entry| {
            let key = entry.key.value.as_str();
            !KNOWN.contains(&key) && suggest::nearest(key, KNOWN).is_none()
        });
        if let Some(key) = other.map(|entry| entry.key.clone()) {
            self.report(decode::not_yet(format!("the check `{}` {NOT_YET}", key.value), key.origin), row);
            tree.take(&key.value);
            if tree.entries().is_empty() {
                return None;
            }
        }
        let check: file::Check = self.decode(&tree, row)?;
        let (expect, key, reach) = match (check.reach, check.no_reach) {
            (Some(reach), None) => (Expect::Reach, KNOWN[0], reach),
            (None, Some(reach)) => (Expect::NoReach, KNOWN[1], reach),
            (Some(_), Some(_)) => {
                let message = "one check has both `reach` and `no-reach`";
                let second = tree.entries().last().map_or(tree.origin, |entry| entry.key.origin);
                let finding = Diagnostic::error(codes::OUT_OF_PLACE, message).at(second, "");
                self.report(finding.help("begin another item with `- `"), row);
                return None;
            }
            (None, None) => {
                // What it has instead was reported by decoding.
                if tree.entries().is_empty() {
                    let message = "this check says neither `reach` nor `no-reach`";
                    self.report(Diagnostic::error(codes::MISSING_KEY, message).at(tree.origin, ""), row);
                }
                return None;
            }
        };
        let inner = tree.get(key)?;
        let (timeout, count) = match expect {
            Expect::Reach => (Delay(1_000_000_000), 3),
            Expect::NoReach => (Delay(500_000_000), 2),
        };
        let timeout = reach.timeout.map_or(timeout, |timeout| timeout.0);
        let count = reach.count.map_or(count, |count| count.0);
        if timeout == Delay(0) {
            let message = "a try that waits for no time sees no answer";
            self.report(Diagnostic::error(codes::BAD_VALUE, message).at(inner.origin_of("timeout"), ""), row);
        }
        if count == 0 || count > MOST_TRIES {
            let message = format!("`count` is from 1 to {MOST_TRIES}");
            self.report(Diagnostic::error(codes::BAD_VALUE, message).at(inner.origin_of("count"), ""), row);
        }
        let from = At::new(reach.from.0, inner.origin_of("from"));
        let to = At::new(reach.to.0, inner.origin_of("to"));
        let family = reach.family.map_or(FamilyChoice::Any, |family| family.0);
        Some(At::new(CheckSpec { expect, from, to, family, timeout, count }, tree.origin))
    }
}
