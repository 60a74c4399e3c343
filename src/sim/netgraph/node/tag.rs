//! `tag`: sorts frames by the tags they carry, and tags them (`sys/netgraph/ng_tag.c`).

use ngsock::Payload;
use ngsock::message::Request;
use ngsock::name::{Name, ShortBytes};
use ngsock::node::tag::{COOKIE, GetInput, GetOutput, Input, Output, SetInput, SetOutput, Tag};
use serde::{Deserialize, Serialize};

use super::super::data::Wire;
use super::super::label::Label;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{HookId, Hooks, Private, hook_in};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// What a hook does with the frames that come in by it and go out of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rule {
    if_match: Label,
    if_not_match: Label,
    /// The same, found when the rule was set; hooks that come later are not found any more.
    matching: Option<HookId>,
    other: Option<HookId>,
    strip: u8,
    input: Mark,
    output: Mark,
}

/// A tag as it is kept: cookie, number, data.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Mark(u32, u16, Vec<u8>);

impl Mark {
    fn of(tag: &Tag) -> Self {
        Self(tag.cookie, tag.id, tag.data.as_bytes().to_vec())
    }

    fn tag(&self) -> Tag {
        Tag { cookie: self.0, id: self.1, data: ShortBytes::new(self.2.clone()).unwrap_or_default() }
    }

    /// A tag of cookie and number 0 stands for none.
    fn is_none(&self) -> bool {
        (self.0, self.1) == (0, 0)
    }
}

impl Rule {
    fn of(hooks: &mut Hooks, hook: HookId) -> Option<&mut Self> {
        match &mut hooks.get_mut(hook)?.private {
            Private::Rule(rule) => Some(rule),
            _ => None,
        }
    }
}

pub(in crate::sim::netgraph) fn receive(hooks: &mut Hooks, call: &Call<'_>) -> Answer {
    if call.header.cookie != COOKIE {
        return Err(Errno::EINVAL);
    }
    match call.header.command {
        SetInput::COMMAND => {
            let SetInput(input) = SetInput::decode(call.payload).map_err(|_| Errno::EINVAL)?;
            set_input(hooks, &input.0)?;
        }
        SetOutput::COMMAND => {
            let SetOutput(output) = SetOutput::decode(call.payload).map_err(|_| Errno::EINVAL)?;
            let hook = hooks.find(&Label::from(output.0.hook)).ok_or(Errno::ENOENT)?.id;
            Rule::of(hooks, hook).ok_or(Errno::ENOENT)?.output = Mark::of(&output.0.tag);
        }
        GetInput::COMMAND => {
            let (hook, rule) = rule_in(hooks, call.payload)?;
            let (if_match, if_not_match) = (rule.if_match.field(), rule.if_not_match.field());
            return answer(&Input { hook, if_match, if_not_match, strip: rule.strip, tag: rule.input.tag() });
        }
        GetOutput::COMMAND => {
            let (hook, rule) = rule_in(hooks, call.payload)?;
            return answer(&Output { hook, tag: rule.output.tag() });
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(Outcome::Done)
}

/// The hook that a payload names, and its rule.
fn rule_in<'h>(hooks: &'h mut Hooks, payload: &[u8]) -> Result<(Name, &'h Rule), Errno> {
    let hook = hook_in(hooks, payload)?;
    let name = hooks.get(hook).map(|hook| hook.name).unwrap_or_default().field();
    Ok((name, Rule::of(hooks, hook).ok_or(Errno::ENOENT)?))
}

fn set_input(hooks: &mut Hooks, input: &Input) -> Result<(), Errno> {
    let find = |name: Name| hooks.find(&Label::from(name)).map(|hook| hook.id);
    let hook = find(input.hook).ok_or(Errno::ENOENT)?;
    let (matching, other) = (find(input.if_match), find(input.if_not_match));
    let rule = Rule::of(hooks, hook).ok_or(Errno::ENOENT)?;
    (rule.if_match, rule.if_not_match) = (input.if_match.into(), input.if_not_match.into());
    (rule.matching, rule.other) = (matching, other);
    (rule.strip, rule.input) = (input.strip, Mark::of(&input.tag));
    Ok(())
}

/// By the tag that the hook looks for, and out with the tag of the hook it leaves by.
pub(in crate::sim::netgraph) fn data(hooks: &mut Hooks, hook: HookId, frame: Frame, wire: &mut Wire<'_>) {
    let Some(rule) = Rule::of(hooks, hook) else { return };
    let found = if rule.input.is_none() { None } else { wire.tags.find(&rule.input.tag()) };
    let to = match found {
        Some(place) => {
            if rule.strip != 0 {
                wire.tags.remove(place);
            }
            rule.matching
        }
        None => rule.other,
    };
    let Some(to) = to else { return };
    if let Some(rule) = Rule::of(hooks, to)
        && !rule.output.is_none()
    {
        wire.tags.add(rule.output.tag());
    }
    if let Some(to) = hooks.get(to) {
        wire.send(to, frame);
    }
}
