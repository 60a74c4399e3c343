//! Echo tests from inside namespaces, many at once, over raw sockets opened there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::Engineer;
use super::errno::errno;
use super::kernel::{EchoSocket, Kernel};
use crate::abi::Errno;
use crate::engine::icmp::{read, request};
use crate::engine::{Echo, EchoResult, EngineError};
use crate::graph::Place;
use crate::netlink::linux::forget_neighbour;

/// So many echoes are sent before their senders' neighbours are forgotten. A kernel has room for 1,024 neighbours of all namespaces
/// together (net.ipv4.neigh.default.gc_thresh3, which is the machine's and not ours to change), an echo may need two, and what
/// is younger than five seconds is not given up for others.
const NEIGHBOURS: usize = 400;

/// So many echoes of one sender are under way at once: the answers fit its receive buffer.
const WINDOW: usize = 64;

/// One echo under way.
struct Flight {
    /// Its place among the echoes of the caller.
    at: usize,
    identifier: u16,
    attempt: u16,
    sent: Duration,
    /// What a try was answered with instead of an echo: a later one may still get through, as a neighbour or a spanning tree comes up.
    why: Option<String>,
}

/// One sender's echoes of one family.
struct Sender {
    socket: EchoSocket,
    waiting: Vec<usize>,
    flying: Vec<Flight>,
    next: u16,
}

impl<K: Kernel> Engineer<'_, K> {
    pub(super) fn echo(&mut self, echoes: &[Echo]) -> Result<Vec<EchoResult>, EngineError> {
        let mut results: Vec<Option<EchoResult>> = vec![None; echoes.len()];
        let mut groups: BTreeMap<(&Place, bool), Vec<usize>> = BTreeMap::new();
        for (at, echo) in echoes.iter().enumerate() {
            groups.entry((&echo.from, echo.to.is_ipv4())).or_default().push(at);
        }
        let mut groups: VecDeque<_> = groups
            .into_iter()
            .flat_map(|(sender, indexes)| {
                let parts: Vec<Vec<usize>> = indexes.chunks(NEIGHBOURS).map(<[usize]>::to_vec).collect();
                parts.into_iter().map(move |part| (sender, part))
            })
            .collect();
        let all_at_once = echoes.len() <= NEIGHBOURS;
        while !groups.is_empty() {
            let (mut senders, mut sent) = (Vec::new(), 0);
            while let Some(((place, v4), indexes)) =
                groups.pop_front_if(|(_, indexes)| sent == 0 || sent + indexes.len() <= NEIGHBOURS)
            {
                let socket = self.kernel.echo_socket(&self.lab, place, v4)?;
                sent += indexes.len();
                let waiting = indexes.into_iter().rev().collect();
                senders.push(Sender { socket, waiting, flying: Vec::new(), next: 1 });
            }
            self.run(echoes, &mut senders, &mut results);
            self.kernel.echo_close();
            if !all_at_once {
                self.forget_neighbours()?;
            }
        }
        Ok(results.into_iter().map(|result| result.unwrap_or(EchoResult::Silent)).collect())
    }

    /// Empties the neighbour caches of the lab's nodes.
    fn forget_neighbours(&mut self) -> Result<(), EngineError> {
        for place in self.kernel.namespaces(&self.lab)?.into_keys() {
            let neighbours = self.neighbours(&place)?;
            let messages: Vec<Vec<u8>> = neighbours.iter().map(forget_neighbour).collect();
            // One that went by itself meanwhile is no failure, and the next round shows whether there is room.
            self.converse_all(&place, &messages)?;
            self.kernel.release(&self.lab, &place);
        }
        Ok(())
    }

    fn run(&mut self, echoes: &[Echo], senders: &mut [Sender], results: &mut [Option<EchoResult>]) {
        let by_socket: HashMap<EchoSocket, usize> =
            senders.iter().enumerate().map(|(at, sender)| (sender.socket, at)).collect();
        let sockets: Vec<EchoSocket> = senders.iter().map(|sender| sender.socket).collect();
        let mut buffer = Vec::new();
        loop {
            for sender in senders.iter_mut() {
                while sender.flying.len() < WINDOW
                    && let Some(at) = sender.waiting.pop()
                {
                    let identifier = sender.next;
                    sender.next = identifier.wrapping_add(1);
                    let flight = Flight { at, identifier, attempt: 0, sent: Duration::ZERO, why: None };
                    self.launch(echoes, sender, flight, results);
                }
            }
            let busy: Vec<EchoSocket> =
                sockets.iter().copied().filter(|socket| !senders[by_socket[socket]].flying.is_empty()).collect();
            if busy.is_empty() && senders.iter().all(|sender| sender.waiting.is_empty()) {
                return;
            }
            let patience = self.patience(echoes, senders);
            self.kernel.echo_wait(&busy, patience);
            for socket in busy {
                let sender = &mut senders[by_socket[&socket]];
                while let Some(from) = self.kernel.echo_receive(socket, &mut buffer) {
                    let now = self.kernel.now();
                    settle(sender, from, &buffer, now, results);
                }
                self.time_out(echoes, sender, results);
            }
        }
    }

    /// How long nothing needs to be done but to listen.
    fn patience(&mut self, echoes: &[Echo], senders: &[Sender]) -> Duration {
        let now = self.kernel.now();
        let due =
            senders.iter().flat_map(|sender| &sender.flying).map(|flight| flight.sent + echoes[flight.at].timeout);
        due.min().map_or(Duration::ZERO, |due| due.saturating_sub(now)) + Duration::from_millis(1)
    }

    fn launch(&mut self, echoes: &[Echo], sender: &mut Sender, mut flight: Flight, results: &mut [Option<EchoResult>]) {
        let echo = &echoes[flight.at];
        flight.attempt += 1;
        flight.sent = self.kernel.now();
        let message = request(echo.to, flight.identifier, flight.attempt);
        let Err(number) = self.kernel.echo_send(sender.socket, echo.to, &message) else {
            sender.flying.push(flight);
            return;
        };
        match errno(number) {
            Some(Errno::ENOBUFS | Errno::EAGAIN) => sender.flying.push(flight),
            Some(error @ (Errno::EHOSTDOWN | Errno::ENETDOWN)) => {
                flight.why = error.text().map(str::to_owned);
                sender.flying.push(flight);
            }
            // An ICMP error about an earlier packet is told to the next call: that one is tried again.
            Some(Errno::EHOSTUNREACH) if flight.attempt > 1 => {
                flight.why = Some("no route to host".to_owned());
                sender.flying.push(flight);
            }
            // No route, no address: nothing that a second try could change.
            Some(error @ (Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EADDRNOTAVAIL)) => {
                let text = error.text().unwrap_or("no way").to_owned();
                results[flight.at] = Some(EchoResult::Unreachable(text));
            }
            Some(error) => results[flight.at] = Some(EchoResult::Failed(error.to_string())),
            None => results[flight.at] = Some(EchoResult::Failed(format!("error {number} of Linux"))),
        }
    }

    fn time_out(&mut self, echoes: &[Echo], sender: &mut Sender, results: &mut [Option<EchoResult>]) {
        let now = self.kernel.now();
        for flight in std::mem::take(&mut sender.flying) {
            let echo = &echoes[flight.at];
            if now.saturating_sub(flight.sent) < echo.timeout {
                sender.flying.push(flight);
            } else if u32::from(flight.attempt) < echo.tries {
                self.launch(echoes, sender, flight, results);
            } else {
                results[flight.at] = Some(flight.why.map_or(EchoResult::Silent, EchoResult::Unreachable));
            }
        }
    }
}

fn settle(sender: &mut Sender, from: IpAddr, packet: &[u8], now: Duration, results: &mut [Option<EchoResult>]) {
    let Some(answer) = read(from, packet) else { return };
    let Some(position) = sender.flying.iter().position(|flight| flight.identifier == answer.identifier) else { return };
    let flight = &mut sender.flying[position];
    if let Some(words) = answer.error {
        flight.why = Some(format!("{words} from {from}"));
        return;
    }
    let (after, attempt) = (now.saturating_sub(flight.sent), u32::from(answer.attempt));
    results[flight.at] = Some(EchoResult::Answered { attempt, after });
    sender.flying.swap_remove(position);
}
