//! Addresses and routes: over netlink in batches, or one by one with address ioctls and the routing socket.

use super::doors::{Doors, SocketKind};
use super::interface::name;
use super::session::Session;
use super::{FreeBsd, RouteMeans};
use crate::abi::Errno;
use crate::abi::ioctl::address;
use crate::engine::{EngineError, StepResult};
use crate::graph::Address;
use crate::netlink::request::Existing;
use crate::netlink::{Dialect, NextHop, Requests};
use crate::plan::Step;

/// Octets of one send: far below the socket's send space.
const BATCH: usize = 32 * 1024;

/// How many steps from the first on can go in one send.
fn run_length(steps: &[&Step]) -> usize {
    steps
        .iter()
        .take_while(|step| {
            matches!(
                step,
                Step::AddAddress(_)
                    | Step::RemoveAddress(_)
                    | Step::AddRoute(_)
                    | Step::RemoveRoute(_)
                    | Step::ChangeRoute { .. }
            )
        })
        .count()
}

impl<D: Doors> FreeBsd<'_, D> {
    /// How many steps from the first on go over netlink together. Where that cannot be told the steps find out themselves.
    pub(super) fn batch(&mut self, session: &mut Session, steps: &[&Step]) -> usize {
        match run_length(steps) {
            0 => 0,
            run if matches!(self.means(session), Ok(RouteMeans::Netlink)) => run,
            _ => 0,
        }
    }

    /// Does address and route steps over netlink; one result each. An error does not stop the rest of a batch.
    pub(super) fn configure(&mut self, session: &mut Session, steps: &[&Step]) -> Vec<StepResult> {
        let mut results = Vec::with_capacity(steps.len());
        let mut requests = Requests::new(Dialect::FREEBSD, session.sequence);
        let mut first = requests.next_sequence();
        let mut waiting: Vec<&Step> = Vec::new();
        for step in steps {
            if let Err(error) = self.append(session, &mut requests, step) {
                results.extend(self.flush(session, &mut requests, first, &waiting));
                results.push(StepResult::Failed(error));
                results.resize(steps.len(), StepResult::NotTried);
                session.sequence = requests.next_sequence();
                return results;
            }
            waiting.push(step);
            if requests.len() >= BATCH {
                results.extend(self.flush(session, &mut requests, first, &waiting));
                waiting.clear();
                first = requests.next_sequence();
                if results.iter().any(|result| matches!(result, StepResult::Failed(_))) {
                    break;
                }
            }
        }
        results.extend(self.flush(session, &mut requests, first, &waiting));
        session.sequence = requests.next_sequence();
        results.resize(steps.len(), StepResult::NotTried);
        results
    }

    fn append(&mut self, session: &mut Session, requests: &mut Requests, step: &Step) -> Result<(), EngineError> {
        let gateway = |address| NextHop::Gateway { address, interface: None };
        match step {
            Step::AddAddress(Address { interface, net, .. }) => {
                requests.add_address(self.index(session, interface)?, net.ip(), net.prefix());
            }
            Step::RemoveAddress(Address { interface, net, .. }) => {
                requests.remove_address(self.index(session, interface)?, net.ip(), net.prefix());
            }
            Step::AddRoute(route) => {
                requests.add_route(route.to.ip(), route.to.prefix(), gateway(route.via), Existing::Refuse);
            }
            Step::RemoveRoute(route) => {
                requests.remove_route(route.to.ip(), route.to.prefix(), Some(gateway(route.via)));
            }
            Step::ChangeRoute { to, via, .. } => {
                requests.add_route(to.ip(), to.prefix(), gateway(*via), Existing::Replace);
            }
            other => return Err(EngineError::strange("", "netlink", format!("not a route step: {other:?}"))),
        }
        Ok(())
    }

    /// Sends what is collected and reads as many answers.
    fn flush(
        &mut self,
        session: &mut Session,
        requests: &mut Requests,
        first: u32,
        steps: &[&Step],
    ) -> Vec<StepResult> {
        if steps.is_empty() {
            return Vec::new();
        }
        let answers = self.acknowledged(session, requests.bytes(), first, steps.len());
        requests.clear();
        match answers {
            Ok(answers) => steps
                .iter()
                .zip(answers)
                .map(|(step, answer)| match answer {
                    None => StepResult::Done,
                    Some((errno, _)) if is_wanted(step, errno) => StepResult::Done,
                    Some((errno, text)) => StepResult::Failed(self.refusal(session, step, errno, text)),
                })
                .collect(),
            Err(error) => std::iter::once(StepResult::Failed(error))
                .chain(std::iter::repeat_n(StepResult::NotTried, steps.len() - 1))
                .collect(),
        }
    }

    /// One address or route step by itself.
    pub(super) fn configure_one(&mut self, session: &mut Session, step: &Step) -> Result<(), EngineError> {
        if self.means(session)? == RouteMeans::Netlink {
            return match self.configure(session, &[step]).pop() {
                Some(StepResult::Failed(error)) => Err(error),
                _ => Ok(()),
            };
        }
        let result = match step {
            Step::AddAddress(address) => self.add_by_ioctl(session, address),
            Step::RemoveAddress(address) => self.remove_by_ioctl(session, address),
            route => self.write_route(session, route),
        };
        match result {
            Err(EngineError { errno: Some(errno), .. }) if is_wanted(step, errno) => Ok(()),
            other => other,
        }
    }

    fn add_by_ioctl(&mut self, session: &mut Session, wanted: &Address) -> Result<(), EngineError> {
        let interface = name(&wanted.interface)?;
        let (kind, call) = match wanted.net {
            ipnetwork::IpNetwork::V4(net) => {
                let broadcast = (net.prefix() < 31).then(|| net.broadcast());
                (SocketKind::Inet, address::add4(interface, net.ip(), net.prefix(), broadcast))
            }
            ipnetwork::IpNetwork::V6(net) => (SocketKind::Inet6, address::add6(interface, net.ip(), net.prefix())),
        };
        self.control_on(session, kind, &wanted.interface, call).map(drop)
    }

    fn remove_by_ioctl(&mut self, session: &mut Session, unwanted: &Address) -> Result<(), EngineError> {
        let interface = name(&unwanted.interface)?;
        let (kind, call) = match unwanted.net {
            ipnetwork::IpNetwork::V4(net) => (SocketKind::Inet, address::remove4(interface, net.ip())),
            ipnetwork::IpNetwork::V6(net) => (SocketKind::Inet6, address::remove6(interface, net.ip())),
        };
        self.control_on(session, kind, &unwanted.interface, call).map(drop)
    }

    pub(super) fn refusal(&self, session: &Session, step: &Step, errno: Errno, text: Option<String>) -> EngineError {
        let (object, call) = match step {
            Step::AddAddress(address) => {
                (format!("{} on {}", address.net, self.at(&session.place, &address.interface)), "RTM_NEWADDR")
            }
            Step::RemoveAddress(address) => {
                (format!("{} on {}", address.net, self.at(&session.place, &address.interface)), "RTM_DELADDR")
            }
            Step::AddRoute(route) => (format!("{} via {} in {}", route.to, route.via, session.place), "RTM_NEWROUTE"),
            Step::RemoveRoute(route) => {
                (format!("{} via {} in {}", route.to, route.via, session.place), "RTM_DELROUTE")
            }
            Step::ChangeRoute { to, via, .. } => (format!("{to} via {via} in {}", session.place), "RTM_NEWROUTE"),
            _ => (session.place.to_string(), "netlink"),
        };
        let error = EngineError::refused(object, call, errno);
        match text {
            Some(text) => error.detail(text),
            None => error,
        }
    }
}

/// Removing what is gone is what was wanted.
fn is_wanted(step: &Step, errno: Errno) -> bool {
    match step {
        Step::RemoveAddress(_) => matches!(errno, Errno::EADDRNOTAVAIL | Errno::ENXIO | Errno::ENOENT),
        Step::RemoveRoute(_) => errno == Errno::ESRCH,
        _ => false,
    }
}
