//! Steps as netlink messages, many in one datagram, and the kernel's answers told apart by their numbers.

use std::collections::HashMap;

use super::encode::{Encoded, Removal, is_missing};
use super::kernel::Kernel;
use super::{Engineer, errno};
use crate::engine::{EngineError, StepResult};
use crate::graph::Place;
use crate::netlink::consts::{NLM_F_ACK, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR};
use crate::netlink::linux::{self, Link, Neighbour};
use crate::netlink::qdisc::{self, Qdisc};
use crate::netlink::reply::{Acknowledgement, Address, Answer, Route};
use crate::netlink::wire::{Message, Messages, Writer};
use crate::netlink::{Dialect, Requests, reply};
use crate::plan::Step;

/// Octets of a datagram, well below a socket's send space.
const DATAGRAM: usize = 32 * 1024;

/// Messages in a datagram: the acknowledgements of so many, each of which the kernel accounts for with near 1 KiB, fit a socket's
/// receive space.
const MESSAGES: usize = 128;

/// Datagrams that a dump may take; a kernel that sends more is not telling about one lab.
const MOST_DATAGRAMS: usize = 100_000;

/// How often a dump is asked for that was interrupted by a change.
const MOST_DUMPS: usize = 32;

impl<K: Kernel> Engineer<'_, K> {
    /// Does steps that are messages on the socket of `place`.
    pub(super) fn send_steps(&mut self, place: &Place, steps: &[&Step]) -> Vec<StepResult> {
        let mut results: Vec<StepResult> = Vec::with_capacity(steps.len());
        let mut pending: Vec<Encoded> = Vec::new();
        let mut size = 0;
        self.kernel.make_room();
        for step in steps {
            match self.encode(step) {
                Ok(encoded) => {
                    size += encoded.len();
                    pending.push(encoded);
                }
                Err(error) => {
                    results.extend(self.exchange(place, std::mem::take(&mut pending)));
                    results.push(StepResult::Failed(error));
                    return results;
                }
            }
            // A pair opens two namespaces.
            if size >= DATAGRAM || pending.len() > self.kernel.room() / 4 {
                size = 0;
                results.extend(self.exchange(place, std::mem::take(&mut pending)));
                self.kernel.make_room();
                if results.iter().any(|result| matches!(result, StepResult::Failed(_))) {
                    return results;
                }
            }
        }
        results.extend(self.exchange(place, pending));
        results
    }

    /// Sends the messages of steps and what they bring along in other places; as many results as steps.
    fn exchange(&mut self, place: &Place, steps: Vec<Encoded>) -> Vec<StepResult> {
        let messages: Vec<&[u8]> = steps.iter().flat_map(|step| &step.messages).map(Vec::as_slice).collect();
        let answers = match self.converse(place, &messages) {
            Ok(answers) => answers,
            // What is to go from a namespace that went behind our back is gone.
            Err(error) if is_missing(&error) && steps.iter().all(|step| step.removal == Removal::Yes) => {
                vec![Acknowledgement::default(); messages.len()]
            }
            Err(error) => return unanswered(steps.len(), &error),
        };
        let mut answers = answers.iter();
        let mut results: Vec<StepResult> = Vec::with_capacity(steps.len());
        let mut missed: Vec<usize> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let own: Vec<&Acknowledgement> = answers.by_ref().take(step.messages.len()).collect();
            let refusals: Vec<EngineError> = own.iter().filter_map(|answer| refusal(step, answer)).collect();
            if step.otherwise.is_some() && own.iter().any(|answer| answer.error.is_some()) {
                missed.push(at);
            }
            results.push(refusals.into_iter().next().map_or(StepResult::Done, StepResult::Failed));
        }
        self.try_otherwise(place, &steps, &missed, &mut results);
        self.follow(&steps, &mut results);
        results
    }

    /// Sends what is to be sent when something that was to go is not there as ours.
    fn try_otherwise(&mut self, place: &Place, steps: &[Encoded], missed: &[usize], results: &mut [StepResult]) {
        let missed = missed.iter().filter(|at| results[**at] == StepResult::Done);
        let missed: Vec<(usize, &[u8])> =
            missed.filter_map(|at| Some((*at, steps[*at].otherwise.as_deref()?))).collect();
        if missed.is_empty() {
            return;
        }
        let messages: Vec<&[u8]> = missed.iter().map(|(_, message)| *message).collect();
        match self.converse(place, &messages) {
            Ok(answers) => {
                for ((at, _), answer) in missed.iter().zip(answers) {
                    if let Some(error) = refusal(&steps[*at], &answer) {
                        results[*at] = StepResult::Failed(error);
                    }
                }
            }
            Err(error) => missed.iter().for_each(|(at, _)| results[*at] = StepResult::Failed(error.clone())),
        }
    }

    /// What steps bring along in other places, on the sockets of those.
    fn follow(&mut self, steps: &[Encoded], results: &mut [StepResult]) {
        let mut by_place: HashMap<&Place, Vec<(usize, &[u8])>> = HashMap::new();
        for (at, step) in steps.iter().enumerate().filter(|(at, _)| results[*at] == StepResult::Done) {
            for (place, message) in &step.follow {
                by_place.entry(place).or_default().push((at, message));
            }
        }
        let mut places: Vec<_> = by_place.into_iter().collect();
        places.sort_by_key(|(place, _)| (*place).clone());
        for (place, messages) in places {
            let bytes: Vec<&[u8]> = messages.iter().map(|(_, bytes)| *bytes).collect();
            match self.converse(place, &bytes) {
                Ok(answers) => {
                    for ((at, _), answer) in messages.iter().zip(answers) {
                        if let (Some(error), StepResult::Done) = (refusal(&steps[*at], &answer), &results[*at]) {
                            results[*at] = StepResult::Failed(error);
                        }
                    }
                }
                Err(error) => messages.iter().for_each(|(at, _)| results[*at] = StepResult::Failed(error.clone())),
            }
        }
    }

    /// Sends messages in as few datagrams as they fit in; one answer for each. The kernel answers the last of a datagram and those
    /// that it refuses.
    fn converse(&mut self, place: &Place, messages: &[&[u8]]) -> Result<Vec<Acknowledgement>, EngineError> {
        let mut answers = Vec::with_capacity(messages.len());
        let mut buffer = Vec::new();
        let mut rest = messages;
        while !rest.is_empty() {
            let mut datagram = Vec::new();
            let mut count = 0;
            let mut last = 0;
            while count < rest.len().min(MESSAGES) && (count == 0 || datagram.len() + rest[count].len() <= DATAGRAM) {
                last = datagram.len();
                datagram.extend_from_slice(rest[count]);
                number(&mut datagram[last..], u32::try_from(count).unwrap_or(0) + 1);
                count += 1;
            }
            acknowledge(&mut datagram[last..]);
            rest = &rest[count..];
            self.kernel.send(&self.lab, place, &datagram)?;
            let mut own = vec![Acknowledgement::default(); count];
            let mut answered = false;
            while !answered {
                self.hear(place, &mut buffer)?;
                for reply in reply::read(&buffer) {
                    let Answer::Acknowledgement(answer) = reply.answer else { continue };
                    let at = usize::try_from(reply.sequence).unwrap_or(0).wrapping_sub(1);
                    if let Some(slot) = own.get_mut(at) {
                        *slot = answer;
                        answered |= at + 1 == count;
                    }
                }
            }
            answers.append(&mut own);
        }
        Ok(answers)
    }

    /// The next datagram of a place. Where that fails the socket is let go: what is still to come would be taken for answers to what is
    /// asked next.
    fn hear(&mut self, place: &Place, buffer: &mut Vec<u8>) -> Result<(), EngineError> {
        let heard = self.kernel.receive(&self.lab, place, buffer);
        if heard.is_err() {
            self.kernel.release(&self.lab, place);
        }
        heard
    }

    /// Sends one message that must succeed.
    pub(super) fn command(&mut self, place: &Place, object: &str, messages: &[Vec<u8>]) -> Result<(), EngineError> {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let answers = self.converse(place, &messages)?;
        let refused = answers.iter().find_map(|answer| answer.error.map(|error| (error, answer.text.clone())));
        match refused {
            None => Ok(()),
            Some((error, text)) => Err(explained(errno::refused(object, "rtnetlink", error.raw()), text)),
        }
    }

    /// Sends messages whose refusals do not matter.
    pub(super) fn converse_all(&mut self, place: &Place, messages: &[Vec<u8>]) -> Result<(), EngineError> {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        self.converse(place, &messages).map(drop)
    }

    /// Every neighbour of a place that was learnt.
    pub(super) fn neighbours(&mut self, place: &Place) -> Result<Vec<Neighbour>, EngineError> {
        let request = linux::neighbours();
        let answer = self.dump(place, "RTM_GETNEIGH", &request)?;
        Ok(messages(&answer).filter_map(|message| linux::neighbour(&message)).collect())
    }

    /// Every interface of a place.
    pub(super) fn links(&mut self, place: &Place) -> Result<Vec<Link>, EngineError> {
        self.links_by(place, &linux::links(None))
    }

    /// Every interface of a place that is of a kind.
    pub(super) fn links_of_kind(&mut self, place: &Place, kind: &str) -> Result<Vec<Link>, EngineError> {
        self.links_by(place, &linux::links(Some(kind)))
    }

    fn links_by(&mut self, place: &Place, request: &[u8]) -> Result<Vec<Link>, EngineError> {
        let answer = self.dump(place, "RTM_GETLINK", request)?;
        Ok(messages(&answer).filter_map(|message| linux::link(&message)).collect())
    }

    /// Every queueing discipline of a place.
    pub(super) fn qdiscs(&mut self, place: &Place) -> Result<Vec<Qdisc>, EngineError> {
        let mut writer = Writer::new();
        qdisc::dump(&mut writer);
        let answer = self.dump(place, "RTM_GETQDISC", &writer.finish())?;
        Ok(messages(&answer).filter_map(|message| qdisc::read(&message)).collect())
    }

    /// Every address of a place.
    pub(super) fn addresses(&mut self, place: &Place) -> Result<Vec<Address>, EngineError> {
        let mut requests = Requests::new(Dialect::LINUX, 1);
        requests.addresses(None);
        let answer = self.dump(place, "RTM_GETADDR", requests.bytes())?;
        let address = |reply: reply::Reply| match reply.answer {
            Answer::Address { address, .. } => Some(address),
            _ => None,
        };
        Ok(answer.iter().flat_map(|datagram| reply::read(datagram)).filter_map(address).collect())
    }

    /// Every route of a place.
    pub(super) fn routes(&mut self, place: &Place) -> Result<Vec<Route>, EngineError> {
        let mut requests = Requests::new(Dialect::LINUX, 1);
        requests.routes();
        let answer = self.dump(place, "RTM_GETROUTE", requests.bytes())?;
        let route = |reply: reply::Reply| match reply.answer {
            Answer::Route { route, .. } => Some(*route),
            _ => None,
        };
        Ok(answer.iter().flat_map(|datagram| reply::read(datagram)).filter_map(route).collect())
    }

    /// Everything that the kernel answers to a request, as one state of it: what changed while it was told is asked for again.
    fn dump(&mut self, place: &Place, call: &str, request: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        for _ in 0..MOST_DUMPS {
            // What is heard with is as large as the largest datagram: it is kept for all of them.
            let mut buffer = std::mem::take(&mut self.buffer);
            let told = self.dump_once(place, call, request, &mut buffer);
            self.buffer = buffer;
            if let Some(answer) = told? {
                return Ok(answer);
            }
        }
        let message = format!("what {call} tells of {place} changed {MOST_DUMPS} times while it was told");
        Err(EngineError::strange(place.to_string(), call, message)
            .hint("somebody else changes it all the time: `ip monitor` in that namespace shows who"))
    }

    /// The answer to one request; `None` where something changed meanwhile.
    fn dump_once(
        &mut self,
        place: &Place,
        call: &str,
        request: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Vec<Vec<u8>>>, EngineError> {
        self.kernel.send(&self.lab, place, request)?;
        let (mut answer, mut is_whole) = (Vec::new(), true);
        for _ in 0..MOST_DATAGRAMS {
            self.hear(place, buffer)?;
            let mut code = None;
            for message in Messages::new(buffer) {
                is_whole &= message.flags & NLM_F_DUMP_INTR == 0;
                if code.is_none() && [NLMSG_DONE, NLMSG_ERROR].contains(&message.kind) {
                    let number = message.payload.get(..4).and_then(|code| code.try_into().ok());
                    code = Some(number.map_or(0, i32::from_ne_bytes));
                }
            }
            answer.push(buffer.clone());
            match code {
                Some(0) => return Ok(is_whole.then_some(answer)),
                Some(code) => return Err(errno::refused(place.to_string(), call, code.saturating_abs())),
                None => {}
            }
        }
        Err(EngineError::strange(place.to_string(), call, format!("the kernel's answer to {call} does not end")))
    }
}

/// The messages of an answer of many datagrams.
fn messages(answer: &[Vec<u8>]) -> impl Iterator<Item = Message<'_>> {
    answer.iter().flat_map(|datagram| Messages::new(datagram))
}

/// Gives a message its number, and asks for no answer: a refusal comes without asking.
fn number(message: &mut [u8], sequence: u32) {
    if let Some(field) = message.get_mut(8..12) {
        field.copy_from_slice(&sequence.to_ne_bytes());
    }
    flags(message, |flags| flags & !NLM_F_ACK);
}

/// Asks for an answer.
fn acknowledge(message: &mut [u8]) {
    flags(message, |flags| flags | NLM_F_ACK);
}

fn flags(message: &mut [u8], change: impl FnOnce(u16) -> u16) {
    if let Some(field) = message.get_mut(6..8) {
        let flags = change(u16::from_ne_bytes([field[0], field[1]]));
        field.copy_from_slice(&flags.to_ne_bytes());
    }
}

/// Messages whose answers did not come: any of them may have been done.
fn unanswered(count: usize, error: &EngineError) -> Vec<StepResult> {
    vec![StepResult::Failed(error.clone()); count]
}

fn refusal(step: &Encoded, answer: &Acknowledgement) -> Option<EngineError> {
    let number = answer.error?.raw();
    // What is to go and is not there is gone.
    let missing = [2, 3, 19, 99].contains(&number);
    if step.removal == Removal::Yes && missing {
        return None;
    }
    Some(explained(errno::refused(step.object.clone(), step.call, number), answer.text.clone()))
}

fn explained(error: EngineError, text: Option<String>) -> EngineError {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => error.detail(text),
        None => error,
    }
}
