//! Ctrl-C and its like, as something that can be asked how often it happened.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};

/// While it lives, Ctrl-C, a request to terminate and the loss of the terminal are counted and end nothing by themselves.
#[derive(Debug)]
pub struct Interrupts {
    registered: Vec<SigId>,
    seen: Arc<Seen>,
}

#[derive(Debug)]
struct Seen {
    receiver: Mutex<UnixStream>,
    times: AtomicUsize,
}

impl Interrupts {
    /// Begins to count.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn catch() -> io::Result<Self> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        let seen = Arc::new(Seen { receiver: Mutex::new(receiver), times: AtomicUsize::new(0) });
        let mut interrupts = Self { registered: Vec::new(), seen };
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            interrupts.registered.push(pipe::register(signal, sender.try_clone()?)?);
        }
        Ok(interrupts)
    }

    /// How often it has happened, whenever that is asked.
    pub fn counter(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let seen = self.seen.clone();
        move || seen.times()
    }
}

impl Seen {
    /// Each signal leaves one octet.
    fn times(&self) -> usize {
        let mut octets = [0; 16];
        let read = self.receiver.lock().map_or(0, |mut receiver| receiver.read(&mut octets).unwrap_or(0));
        self.times.fetch_add(read, Ordering::Relaxed) + read
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_counts_once() {
        let interrupts = Interrupts::catch().unwrap();
        let times = interrupts.counter();
        assert_eq!(times(), 0);
        for expected in 1..=3 {
            signal_hook::low_level::raise(SIGHUP).unwrap();
            assert_eq!(times(), expected);
        }
        assert_eq!(times(), 3);
    }
}
