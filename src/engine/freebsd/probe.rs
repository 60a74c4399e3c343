//! Echo tests from inside jails, many at once, over raw sockets that helpers opened.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::FreeBsd;
use super::doors::{Doors, Sock, SocketKind};
use super::pace::{OVERTAKEN, Pace};
use super::session::Session;
use crate::abi::Errno;
use crate::engine::icmp::{read, request};
use crate::engine::{Echo, EchoResult, EngineError};
use crate::graph::Place;

/// So many senders have their sockets open at once.
const SENDERS: usize = 16;

/// So many echoes of one socket are under way at once: the answers fit its receive buffer.
const WINDOW: usize = 64;

/// A full transmit queue is waited for so often, a little longer each time; from then on it costs a try.
const PAUSES: u32 = 16;
const PAUSE: Duration = Duration::from_millis(5);

/// One echo under way, or waiting for its next try.
struct Flight {
    /// Its place among the echoes of the caller.
    at: usize,
    scope: u32,
    identifier: u16,
    attempt: u16,
    /// When the last try was sent, or the next may be.
    when: Duration,
    /// How many were sent before the last try.
    number: u64,
    /// How often there was no room for it.
    pauses: u32,
    /// What the last try was answered with instead of an echo: a later one may still get through, as a neighbour
    /// or a spanning tree comes up.
    why: Option<String>,
}

impl Flight {
    /// Whether it takes room in the kernel, as far as we know.
    fn is_fresh(&self, now: Duration, pace: &Pace) -> bool {
        now.saturating_sub(self.when) < pace.settles()
    }
}

/// The echoes of one socket.
struct Queue {
    sock: Sock,
    waiting: VecDeque<Flight>,
    flying: Vec<Flight>,
}

impl Queue {
    fn fresh(&self, now: Duration, pace: &Pace) -> usize {
        self.flying.iter().filter(|flight| flight.is_fresh(now, pace)).count()
    }
}

/// What comes of the echoes of a caller.
struct Round<'r> {
    echoes: &'r [Echo],
    results: &'r mut [Option<EchoResult>],
    pace: &'r mut Pace,
    /// How many were sent.
    sent: u64,
    /// The number of the oldest that is under way.
    oldest: u64,
}

impl<D: Doors> FreeBsd<'_, D> {
    pub(super) fn echo(&mut self, echoes: &[Echo]) -> Result<Vec<EchoResult>, EngineError> {
        let mut results: Vec<Option<EchoResult>> = vec![None; echoes.len()];
        let mut by_sender: BTreeMap<&Place, Vec<usize>> = BTreeMap::new();
        for (at, echo) in echoes.iter().enumerate() {
            by_sender.entry(&echo.from).or_default().push(at);
        }
        let senders: Vec<(&Place, Vec<usize>)> = by_sender.into_iter().collect();
        let (mut rest, mut width, mut pace) = (&senders[..], SENDERS, Pace::new());
        while !rest.is_empty() {
            let (group, later) = rest.split_at(width.min(rest.len()));
            let mut sessions = Vec::new();
            let mut round = Round { echoes, results: &mut results, pace: &mut pace, sent: 0, oldest: 0 };
            let outcome = self.echo_group(&mut round, group, &mut sessions);
            for session in sessions {
                session.close(self.doors);
            }
            match outcome {
                // Sockets are opened before anything is sent: fewer at a time do the same, only slower.
                Err(error) if error.errno == Some(Errno::EMFILE) && group.len() > 1 => width = group.len() / 2,
                other => {
                    other?;
                    rest = later;
                }
            }
        }
        Ok(results.into_iter().map(|result| result.unwrap_or(EchoResult::Silent)).collect())
    }

    fn echo_group(
        &mut self,
        round: &mut Round<'_>,
        group: &[(&Place, Vec<usize>)],
        sessions: &mut Vec<Session>,
    ) -> Result<(), EngineError> {
        let mut queues: Vec<Queue> = Vec::new();
        for (place, indexes) in group {
            let mut session = Session::new((*place).clone());
            let prepared = self.prepare(&mut session, round.echoes, indexes);
            sessions.push(session);
            queues.extend(prepared?);
        }
        loop {
            self.launch_what_fits(round, &mut queues);
            queues.retain(|queue| !queue.waiting.is_empty() || !queue.flying.is_empty());
            if queues.is_empty() {
                return Ok(());
            }
            self.collect(round, &mut queues);
            let now = self.doors.now();
            queues.iter_mut().for_each(|queue| round.time_out(queue, now));
        }
    }

    /// The echoes of one sender, a queue for each of its sockets.
    fn prepare(
        &mut self,
        session: &mut Session,
        echoes: &[Echo],
        indexes: &[usize],
    ) -> Result<Vec<Queue>, EngineError> {
        let mut queues: Vec<Queue> = Vec::new();
        for (number, at) in indexes.iter().enumerate() {
            let echo = &echoes[*at];
            let kind = if echo.to.is_ipv4() { SocketKind::Icmp } else { SocketKind::Icmp6 };
            let sock = self.sock(session, kind)?;
            let scope = match &echo.interface {
                Some(interface) => self.index(session, interface.as_str())?,
                None => 0,
            };
            // Numbers of one sender repeat after 65,536, when the old ones are long decided.
            let identifier = u16::try_from(number & 0xffff).unwrap_or(0);
            let flight = Flight {
                at: *at,
                scope,
                identifier,
                attempt: 0,
                when: Duration::ZERO,
                number: 0,
                pauses: 0,
                why: None,
            };
            match queues.iter_mut().find(|queue| queue.sock == sock) {
                Some(queue) => queue.waiting.push_back(flight),
                None => queues.push(Queue { sock, waiting: VecDeque::from([flight]), flying: Vec::new() }),
            }
        }
        Ok(queues)
    }

    /// Sends what there is room for, one of each queue in turn; nothing again before everything was sent once.
    fn launch_what_fits(&mut self, round: &mut Round<'_>, queues: &mut [Queue]) {
        let now = self.doors.now();
        let mut fresh: usize = queues.iter().map(|queue| queue.fresh(now, round.pace)).sum();
        let mut sent = true;
        while sent {
            sent = false;
            let waiting = queues.iter().flat_map(|queue| queue.waiting.front());
            let Some(tries) = waiting.map(|flight| flight.attempt).min() else { return };
            for queue in queues.iter_mut() {
                if fresh >= round.pace.window(tries) || queue.fresh(now, round.pace) >= WINDOW {
                    continue;
                }
                let is_due = |flight: &mut Flight| flight.attempt == tries && flight.when <= now;
                if let Some(flight) = queue.waiting.pop_front_if(is_due) {
                    fresh += self.launch(round, queue, flight);
                    sent = true;
                }
            }
        }
    }

    /// Sends one; how many more are under way.
    fn launch(&mut self, round: &mut Round<'_>, queue: &mut Queue, mut flight: Flight) -> usize {
        let echo = &round.echoes[flight.at];
        let message = request(echo.to, flight.identifier, flight.attempt + 1);
        let outcome = self.doors.probe_send(queue.sock, echo.to, flight.scope, &message);
        flight.when = self.doors.now();
        if outcome == Err(Errno::ENOBUFS) {
            round.pace.full(flight.when);
            if flight.pauses < PAUSES {
                flight.pauses += 1;
                flight.when += PAUSE * flight.pauses;
                queue.waiting.push_front(flight);
                return 0;
            }
        }
        flight.attempt += 1;
        flight.number = round.sent;
        round.sent += 1;
        match outcome {
            Ok(()) | Err(Errno::ENOBUFS) => {}
            Err(errno @ (Errno::EHOSTDOWN | Errno::ENETDOWN)) => flight.why = errno.text().map(str::to_owned),
            // No route, no address: nothing that a second try could change.
            Err(errno @ (Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EADDRNOTAVAIL)) => {
                let text = errno.text().unwrap_or("no way").to_owned();
                round.results[flight.at] = Some(EchoResult::Unreachable(text));
                return 0;
            }
            Err(errno) => {
                round.results[flight.at] = Some(EchoResult::Failed(errno.to_string()));
                return 0;
            }
        }
        queue.flying.push(flight);
        1
    }

    /// Reads all that came, or lets time pass until something comes or the next thing is due.
    fn collect(&mut self, round: &mut Round<'_>, queues: &mut [Queue]) {
        let mut buffer = Vec::new();
        let mut came = false;
        let numbers = queues.iter().flat_map(|queue| &queue.flying).map(|flight| flight.number);
        round.oldest = numbers.min().unwrap_or_default();
        for queue in queues.iter_mut().filter(|queue| !queue.flying.is_empty()) {
            while let Ok(Some(from)) = self.doors.probe_receive(queue.sock, &mut buffer) {
                came = true;
                let now = self.doors.now();
                round.settle(queue, from, &buffer, now);
            }
        }
        if !came {
            let socks: Vec<Sock> =
                queues.iter().filter(|queue| !queue.flying.is_empty()).map(|queue| queue.sock).collect();
            let span = round.idle(queues, self.doors.now());
            self.doors.wait(span, &socks);
        }
    }
}

impl Round<'_> {
    fn settle(&mut self, queue: &mut Queue, from: IpAddr, packet: &[u8], now: Duration) {
        let Some(answer) = read(from, packet) else { return };
        let is_it = |flight: &Flight| flight.identifier == answer.identifier;
        if let Some(at) = queue.flying.iter().position(is_it) {
            if let Some(words) = answer.error {
                queue.flying[at].why = Some(format!("{words} from {from}"));
                return;
            }
            let flight = queue.flying.swap_remove(at);
            let took = now.saturating_sub(flight.when);
            if answer.attempt == flight.attempt {
                self.pace.answered(took, flight.number.saturating_sub(self.oldest) < OVERTAKEN);
            }
            self.answered(&flight, answer.attempt, took);
        } else if answer.error.is_none() {
            // A late answer, to one that waits for its next try.
            let waits = |flight: &Flight| is_it(flight) && flight.attempt > 0;
            let at = queue.waiting.iter().position(waits);
            if let Some(flight) = at.and_then(|at| queue.waiting.remove(at)) {
                self.answered(&flight, answer.attempt, now.saturating_sub(flight.when));
            }
        }
    }

    /// `since` is how long ago the last try was.
    fn answered(&mut self, flight: &Flight, attempt: u16, since: Duration) {
        // Each of the tries between was waited for as long as was asked, at least.
        let tries = u32::from(flight.attempt.saturating_sub(attempt));
        let after = since.saturating_add(self.echoes[flight.at].timeout.saturating_mul(tries));
        self.results[flight.at] = Some(EchoResult::Answered { attempt: u32::from(attempt), after });
    }

    /// What was not answered for long enough is sent again after all the others, or given up.
    fn time_out(&mut self, queue: &mut Queue, now: Duration) {
        for flight in std::mem::take(&mut queue.flying) {
            let echo = &self.echoes[flight.at];
            if now.saturating_sub(flight.when) < self.pace.patience(echo.timeout) {
                queue.flying.push(flight);
                continue;
            }
            self.pace.lost(flight.when, now);
            if u32::from(flight.attempt) < echo.tries {
                queue.waiting.push_back(flight);
            } else {
                self.results[flight.at] = Some(flight.why.map_or(EchoResult::Silent, EchoResult::Unreachable));
            }
        }
    }

    /// How long there is nothing to do if nothing comes.
    fn idle(&self, queues: &[Queue], now: Duration) -> Duration {
        let mut span = Duration::from_millis(100);
        for queue in queues {
            for flight in &queue.flying {
                let age = now.saturating_sub(flight.when);
                let (settles, echo) = (self.pace.settles(), &self.echoes[flight.at]);
                let due = if age < settles { settles } else { self.pace.patience(echo.timeout) };
                span = span.min(due.saturating_sub(age));
            }
            if let Some(pause) = queue.waiting.front().map(|flight| flight.when.saturating_sub(now))
                && !pause.is_zero()
            {
                span = span.min(pause);
            }
        }
        span.max(Duration::from_millis(1))
    }
}
