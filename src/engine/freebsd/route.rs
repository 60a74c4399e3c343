//! The route sockets: asking netlink and collecting answers, writing PF_ROUTE messages.

use std::time::Duration;

use super::FreeBsd;
use super::doors::{Doors, Sock, SocketKind};
use super::session::Session;
use crate::abi::Errno;
use crate::abi::rtsock::{self, Gateway};
use crate::engine::EngineError;
use crate::netlink::reply::{Answer, Reply, read};
use crate::plan::Step;

/// How long an answer may take; it comes by a kernel thread of the socket's own.
const PATIENCE: Duration = Duration::from_secs(10);

/// Datagrams that one dump may give.
const MOST_DATAGRAMS: usize = 1 << 20;

/// An errno and the kernel's sentence about it; `None` for success.
pub(super) type Refusal = Option<(Errno, Option<String>)>;

impl<D: Doors> FreeBsd<'_, D> {
    /// Sends changes and reads one answer for each, by number.
    pub(super) fn acknowledged(
        &mut self,
        session: &mut Session,
        requests: &[u8],
        first: u32,
        count: usize,
    ) -> Result<Vec<Refusal>, EngineError> {
        let sock = self.sock(session, SocketKind::Netlink)?;
        let place = session.place.to_string();
        let mut answers: Vec<Option<Refusal>> = vec![None; count];
        let mut missing = count;
        self.ask(sock, &place, requests, |reply| {
            if let Answer::Acknowledgement(answer) = reply.answer
                && let Ok(at) = usize::try_from(reply.sequence.wrapping_sub(first))
                && let Some(slot @ None) = answers.get_mut(at)
            {
                *slot = Some(answer.error.map(|errno| (errno, answer.text)));
                missing -= 1;
            }
            missing > 0
        })?;
        Ok(answers.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Sends requests and hands every answer to `take` until it has enough.
    pub(super) fn ask(
        &mut self,
        sock: Sock,
        place: &str,
        requests: &[u8],
        mut take: impl FnMut(Reply) -> bool,
    ) -> Result<(), EngineError> {
        let refused = |errno| EngineError::refused(place, "netlink", errno);
        self.doors.route_send(sock, requests).map_err(refused)?;
        let mut buffer = Vec::new();
        let started = self.doors.now();
        for _ in 0..MOST_DATAGRAMS {
            if !self.doors.route_receive(sock, &mut buffer).map_err(refused)? {
                if self.doors.now().saturating_sub(started) >= PATIENCE {
                    break;
                }
                self.doors.wait(PATIENCE, &[sock]);
                continue;
            }
            for reply in read(&buffer) {
                if !take(reply) {
                    return Ok(());
                }
            }
        }
        Err(EngineError::strange(
            place,
            "netlink",
            format!("the kernel does not answer on the netlink socket of {place}"),
        ))
    }

    /// One route by the routing socket; write(2) gives the errno, and the echo is thrown away.
    pub(super) fn write_route(&mut self, session: &mut Session, step: &Step) -> Result<(), EngineError> {
        let gateway = |address| Gateway::Address { address, scope: 0 };
        let sequence = i32::try_from(session.sequence & 0x7fff_ffff).unwrap_or(1);
        session.sequence = session.sequence.wrapping_add(2);
        match step {
            Step::AddRoute(route) => {
                // A second way to the same prefix would be accepted as multipath.
                let message = rtsock::add(sequence, route.to.ip(), route.to.prefix(), gateway(route.via));
                self.write_message(session, step, &message)
            }
            Step::RemoveRoute(route) => {
                let message = rtsock::delete(sequence, route.to.ip(), route.to.prefix(), Some(gateway(route.via)));
                self.write_message(session, step, &message)
            }
            Step::ChangeRoute { to, from, via, .. } => {
                let message = rtsock::delete(sequence, to.ip(), to.prefix(), Some(gateway(*from)));
                self.write_message(session, step, &message)?;
                let message = rtsock::add(sequence.wrapping_add(1), to.ip(), to.prefix(), gateway(*via));
                self.write_message(session, step, &message)
            }
            other => Err(EngineError::strange("", "PF_ROUTE", format!("not a route step: {other:?}"))),
        }
    }

    fn write_message(&mut self, session: &mut Session, step: &Step, message: &[u8]) -> Result<(), EngineError> {
        let sock = self.sock(session, SocketKind::Route)?;
        let sent = self.doors.route_send(sock, message);
        let mut echo = Vec::new();
        while matches!(self.doors.route_receive(sock, &mut echo), Ok(true)) {}
        sent.map_err(|errno| self.refusal(session, step, errno, None))
    }
}
