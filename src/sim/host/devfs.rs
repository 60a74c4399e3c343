//! Rules of devfs (`sys/fs/devfs/devfs_rule.c`).

use super::Host;
use crate::abi::Errno;
use crate::abi::devfs::{DEVFSIO_RADD, DEVFSIO_RDEL, DEVFSIO_RGETNEXT, DEVFSIO_SGETNEXT, MAGIC, RULE_SIZE, Rule};
use crate::sim::kernel::Kernel;

/// What automatic numbers are apart.
const STEP: u16 = 100;

/// A devfs ioctl on `/dev` by the host.
///
/// # Errors
/// As the kernel's.
pub fn ioctl(kernel: &mut Kernel, request: u32, argument: &mut [u8]) -> Result<(), Errno> {
    if argument.len() != crate::abi::ioctl::argument_size(request) {
        return Err(Errno::EFAULT);
    }
    let host = &mut kernel.host;
    match request {
        DEVFSIO_RADD => add(host, argument),
        DEVFSIO_RDEL => delete(host, argument),
        DEVFSIO_RGETNEXT => next_rule(host, argument),
        DEVFSIO_SGETNEXT => next_set(host, argument),
        _ => Err(Errno::ENOTTY),
    }
}

/// Ruleset and number in the id of a rule at `at`.
fn id(argument: &[u8], at: usize) -> Option<(u16, u16)> {
    let id = u32::from_le_bytes(argument.get(at..at + 4)?.try_into().ok()?);
    Some((u16::try_from(id >> 16).ok()?, u16::try_from(id & 0xffff).ok()?))
}

fn rule_id(argument: &[u8]) -> Result<(u16, u16), Errno> {
    let magic = argument.get(..4).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
    if magic != Some(MAGIC) {
        return Err(Errno::ERPCMISMATCH);
    }
    id(argument, 4).ok_or(Errno::EFAULT)
}

fn set_number(rule: &mut [u8], ruleset: u16, number: u16) {
    let id = u32::from(ruleset) << 16 | u32::from(number);
    if let Some(field) = rule.get_mut(4..8) {
        field.copy_from_slice(&id.to_le_bytes());
    }
}

fn add(host: &mut Host, argument: &[u8]) -> Result<(), Errno> {
    let (ruleset, number) = rule_id(argument)?;
    if ruleset == 0 {
        return Err(Errno::EIO);
    }
    let rules = host.rulesets.entry(ruleset).or_default();
    let number = match number {
        0 => match rules.keys().next_back() {
            None => STEP,
            Some(last) => match last.checked_add(STEP) {
                Some(next) => next,
                None => return Err(Errno::ERANGE),
            },
        },
        taken if rules.contains_key(&taken) => return Err(Errno::EEXIST),
        free => free,
    };
    let mut rule = argument.to_vec();
    set_number(&mut rule, ruleset, number);
    rules.insert(number, rule);
    Ok(())
}

fn delete(host: &mut Host, argument: &[u8]) -> Result<(), Errno> {
    let (ruleset, number) = id(argument, 0).ok_or(Errno::EFAULT)?;
    let rules = host.rulesets.get_mut(&ruleset).ok_or(Errno::ENOENT)?;
    rules.remove(&number).ok_or(Errno::ENOENT)?;
    reap(host, ruleset);
    Ok(())
}

/// A set without rules that no mount uses is gone.
pub(super) fn reap(host: &mut Host, ruleset: u16) {
    let is_used = host.mounts.iter().any(|mount| mount.ruleset() == ruleset);
    if host.rulesets.get(&ruleset).is_some_and(|rules| rules.is_empty()) && !is_used {
        host.rulesets.remove(&ruleset);
    }
}

fn next_rule(host: &Host, argument: &mut [u8]) -> Result<(), Errno> {
    let (ruleset, number) = rule_id(argument)?;
    let rules = host.rulesets.get(&ruleset).ok_or(Errno::ENOENT)?;
    let after = (std::ops::Bound::Excluded(number), std::ops::Bound::Unbounded);
    let (_, rule) = rules.range(after).next().ok_or(Errno::ENOENT)?;
    if rule.len() != RULE_SIZE || Rule::decode(rule).is_none() {
        return Err(Errno::EFAULT);
    }
    argument.copy_from_slice(rule);
    Ok(())
}

fn next_set(host: &Host, argument: &mut [u8]) -> Result<(), Errno> {
    let number = u16::from_le_bytes(argument.try_into().map_err(|_| Errno::EFAULT)?);
    let after = (std::ops::Bound::Excluded(number), std::ops::Bound::Unbounded);
    let (next, _) = host.rulesets.range(after).next().ok_or(Errno::ENOENT)?;
    argument.copy_from_slice(&next.to_le_bytes());
    Ok(())
}
