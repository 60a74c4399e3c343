//! `addressing:`.

use std::collections::BTreeMap;

use super::super::each::Unit;
use super::super::leaf::Leaf;
use super::super::{codes, file};
use super::Lowering;
use crate::diagnostic::{At, Diagnostic};
use crate::model::draft::DraftPool;

impl Lowering<'_, '_> {
    pub(super) fn pools(&mut self, units: Vec<Unit>) -> BTreeMap<String, DraftPool> {
        let mut pools = BTreeMap::new();
        for unit in units {
            let Some(key) = unit.key.clone() else { continue };
            let twice = !self.pools.insert(key.value.clone());
            if twice {
                let message = format!("the pool `{}` is declared twice", key.value);
                self.report(Diagnostic::error(codes::DUPLICATE, message).at(key.origin, ""), unit.row.as_ref());
            }
            if let Some(pool) = self.one_pool(&unit, &key) {
                pools.insert(key.value, pool);
            }
        }
        pools
    }

    fn one_pool(&mut self, unit: &Unit, key: &At<String>) -> Option<DraftPool> {
        let pool: file::Pool = self.decode(&unit.tree, unit.row.as_ref())?;
        let range4 = pool.ipv4.map(|block| At::new(block.0.0, unit.tree.origin_of("ipv4")));
        let range6 = pool.ipv6.map(|block| At::new(block.0.0, unit.tree.origin_of("ipv6")));
        let whole4 = range4.map(|range| (range.value.prefix(), 32));
        let whole6 = range6.map(|range| (range.value.prefix(), 128));
        let prefix4 = self.subnet_length(unit, "ipv4", "prefix", pool.prefix, whole4);
        let prefix6 = self.subnet_length(unit, "ipv6", "prefix6", pool.prefix6, whole6);
        if unit.tree.entry("ipv4").is_none() && unit.tree.entry("ipv6").is_none() {
            let message = format!("the pool `{}` has no addresses", key.value);
            let help = "give it `ipv4` and `prefix`, `ipv6` and `prefix6`, or all four";
            self.report(
                Diagnostic::error(codes::MISSING_KEY, message).at(key.origin, "").help(help),
                unit.row.as_ref(),
            );
            return None;
        }
        Some(DraftPool { origin: key.origin, ipv4: range4.zip(prefix4), ipv6: range6.zip(prefix6) })
    }

    /// The prefix length of subnets: between that of the range and that of one address.
    fn subnet_length(
        &mut self,
        unit: &Unit,
        range_key: &str,
        key: &str,
        length: Option<Leaf<u8>>,
        whole: Option<(u8, u8)>,
    ) -> Option<At<u8>> {
        let has_range = unit.tree.entry(range_key).is_some();
        let range_origin = unit.tree.origin_of(range_key);
        let origin = unit.tree.origin_of(key);
        let row = unit.row.as_ref();
        match (whole, length) {
            (Some((least, most)), Some(length)) if (least..=most).contains(&length.0) => {
                Some(At::new(length.0, origin))
            }
            (Some((least, most)), Some(length)) => {
                let message = if length.0 > most {
                    format!("`{}` is not a prefix length from 0 to {most}", length.0)
                } else {
                    format!("subnets with prefix length {} do not fit into a range of length {least}", length.0)
                };
                let finding = Diagnostic::error(codes::BAD_VALUE, message).at(origin, "").at(range_origin, "the range");
                self.report(finding, row);
                None
            }
            (Some(_), None) => {
                if unit.tree.entry(key).is_none() {
                    let message = format!("`{key}` is missing: how large is each subnet of this range?");
                    let help = if key == "prefix" { "add `prefix: 24`" } else { "add `prefix6: 64`" };
                    self.report(Diagnostic::error(codes::MISSING_KEY, message).at(range_origin, "").help(help), row);
                }
                None
            }
            (None, Some(_)) if !has_range => {
                let message = format!("`{key}` means nothing without `{range_key}`");
                self.report(Diagnostic::error(codes::OUT_OF_PLACE, message).at(origin, ""), row);
                None
            }
            (None, _) => None,
        }
    }
}
