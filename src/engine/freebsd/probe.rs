//! Echo tests from inside jails, many at once, over raw sockets that helpers opened.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::FreeBsd;
use super::doors::{Doors, Sock, SocketKind};
use super::session::Session;
use crate::abi::Errno;
use crate::engine::icmp::{read, request};
use crate::engine::{Echo, EchoResult, EngineError};
use crate::graph::Place;

/// So many senders have their sockets open at once.
const SENDERS: usize = 16;

/// So many echoes of one sender are under way at once: the answers fit its receive buffer.
const WINDOW: usize = 64;

/// One echo under way, or waiting for its next try.
struct Flight {
    /// Its place among the echoes of the caller.
    at: usize,
    sock: Sock,
    scope: u32,
    identifier: u16,
    attempt: u16,
    sent: Duration,
    /// What the last try was answered with instead of an echo: a later one may still get through, as a neighbour
    /// or a spanning tree comes up.
    why: Option<String>,
}

impl<D: Doors> FreeBsd<'_, D> {
    pub(super) fn echo(&mut self, echoes: &[Echo]) -> Result<Vec<EchoResult>, EngineError> {
        let mut results: Vec<Option<EchoResult>> = vec![None; echoes.len()];
        let mut by_sender: BTreeMap<&Place, Vec<usize>> = BTreeMap::new();
        for (at, echo) in echoes.iter().enumerate() {
            by_sender.entry(&echo.from).or_default().push(at);
        }
        let senders: Vec<(&Place, Vec<usize>)> = by_sender.into_iter().collect();
        let (mut rest, mut width) = (&senders[..], SENDERS);
        while !rest.is_empty() {
            let (group, later) = rest.split_at(width.min(rest.len()));
            let mut sessions = Vec::new();
            let outcome = self.echo_group(echoes, group, &mut sessions, &mut results);
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
        echoes: &[Echo],
        group: &[(&Place, Vec<usize>)],
        sessions: &mut Vec<Session>,
        results: &mut [Option<EchoResult>],
    ) -> Result<(), EngineError> {
        let mut queues: Vec<Vec<Flight>> = Vec::new();
        for (place, indexes) in group {
            let mut session = Session::new((*place).clone());
            let queue = self.prepare_flights(&mut session, echoes, indexes);
            sessions.push(session);
            let mut queue = queue?;
            queue.reverse();
            queues.push(queue);
        }
        let mut flying: Vec<Flight> = Vec::new();
        loop {
            for queue in &mut queues {
                let own = queue.last().map(|next| next.sock);
                let mut busy = flying.iter().filter(|flight| Some(flight.sock) == own).count();
                while busy < WINDOW
                    && let Some(flight) = queue.pop()
                {
                    busy += 1;
                    self.launch(echoes, flight, &mut flying, results);
                }
            }
            if flying.is_empty() {
                return Ok(());
            }
            self.collect(&mut flying, results);
            self.time_out(echoes, &mut flying, results);
        }
    }

    fn prepare_flights(
        &mut self,
        session: &mut Session,
        echoes: &[Echo],
        indexes: &[usize],
    ) -> Result<Vec<Flight>, EngineError> {
        let mut queue = Vec::with_capacity(indexes.len());
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
            queue.push(Flight { at: *at, sock, scope, identifier, attempt: 0, sent: Duration::ZERO, why: None });
        }
        Ok(queue)
    }

    fn launch(
        &mut self,
        echoes: &[Echo],
        mut flight: Flight,
        flying: &mut Vec<Flight>,
        results: &mut [Option<EchoResult>],
    ) {
        let echo = &echoes[flight.at];
        flight.attempt += 1;
        flight.sent = self.doors.now();
        let message = request(echo.to, flight.identifier, flight.attempt);
        match self.doors.probe_send(flight.sock, echo.to, flight.scope, &message) {
            Ok(()) | Err(Errno::ENOBUFS) => flying.push(flight),
            Err(errno @ (Errno::EHOSTDOWN | Errno::ENETDOWN)) => {
                flight.why = errno.text().map(str::to_owned);
                flying.push(flight);
            }
            // No route, no address: nothing that a second try could change.
            Err(errno @ (Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EADDRNOTAVAIL)) => {
                let text = errno.text().unwrap_or("no way").to_owned();
                results[flight.at] = Some(EchoResult::Unreachable(text));
            }
            Err(errno) => results[flight.at] = Some(EchoResult::Failed(errno.to_string())),
        }
    }

    /// Lets time pass until something comes or the first echo is due, and reads all that came.
    fn collect(&mut self, flying: &mut Vec<Flight>, results: &mut [Option<EchoResult>]) {
        let mut socks: Vec<Sock> = flying.iter().map(|flight| flight.sock).collect();
        socks.sort_unstable();
        socks.dedup();
        let mut buffer = Vec::new();
        let mut came = false;
        for sock in &socks {
            while let Ok(Some(from)) = self.doors.probe_receive(*sock, &mut buffer) {
                came = true;
                self.settle(*sock, from, &buffer, flying, results);
            }
        }
        if !came && !flying.is_empty() {
            self.doors.wait(Duration::from_millis(100), &socks);
        }
    }

    fn settle(
        &mut self,
        sock: Sock,
        from: IpAddr,
        packet: &[u8],
        flying: &mut Vec<Flight>,
        results: &mut [Option<EchoResult>],
    ) {
        let Some(answer) = read(from, packet) else { return };
        let matches = |flight: &Flight| flight.sock == sock && flight.identifier == answer.identifier;
        let Some(position) = flying.iter().position(matches) else { return };
        if let Some(words) = answer.error {
            flying[position].why = Some(format!("{words} from {from}"));
            return;
        }
        let after = self.doors.now().saturating_sub(flying[position].sent);
        let attempt = u32::from(answer.attempt);
        results[flying[position].at] = Some(EchoResult::Answered { attempt, after });
        flying.swap_remove(position);
    }

    fn time_out(&mut self, echoes: &[Echo], flying: &mut Vec<Flight>, results: &mut [Option<EchoResult>]) {
        let now = self.doors.now();
        let waiting = std::mem::take(flying);
        for flight in waiting {
            let echo = &echoes[flight.at];
            if now.saturating_sub(flight.sent) < echo.timeout {
                flying.push(flight);
            } else if u32::from(flight.attempt) < echo.tries {
                self.launch(echoes, flight, flying, results);
            } else {
                results[flight.at] = Some(flight.why.map_or(EchoResult::Silent, EchoResult::Unreachable));
            }
        }
    }
}
