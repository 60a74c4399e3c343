//! Keeps the kernel's clock ticking while interfaces and network stacks come and go.
//!
//! Before the kernel lets go of an interface, it waits until every processor has run the callbacks that it owes
//! (`epoch_drain_callbacks`, sys/kern/subr_epoch.c), and a processor runs them at its next tick. One with nothing to do
//! leaves ticks out until something else wakes it, up to a second (`getnextcpuevent`, sys/kern/kern_clocksource.c). So there
//! is a thread on every processor that sleeps, over and over, for less than a tick: nothing else is changed, and nobody
//! but us is waited for less.
#![allow(unsafe_code, reason = "system calls")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::call::check;
use super::kernel;
use crate::abi::cpuset::{self, SIZE};
use crate::abi::sysctl::read_int;

/// Naps of a tick's quarter, but none shorter than this.
const SHORTEST: Duration = Duration::from_millis(1);
/// What a tick is where the kernel does not say: the default of machines that are no guests.
const USUAL_HERTZ: i64 = 1000;
/// A thread that only sleeps needs no more.
const STACK: usize = 64 * 1024;

/// Threads that nap, until it is dropped.
#[derive(Debug)]
pub(super) struct Pulse {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pulse {
    /// One thread on each processor that we may run on. Where one cannot be had, the kernel is as slow as it is.
    pub(super) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let nap = nap();
        let start = |processor: u16| {
            let stop = Arc::clone(&stop);
            let life = move || {
                if bind(processor) {
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(nap);
                    }
                }
            };
            Builder::new().name("pulse".to_owned()).stack_size(STACK).spawn(life).ok()
        };
        let threads = processors().into_iter().filter_map(start).collect();
        Self { stop, threads }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It does not panic; and there would be nothing to do about it.
            let _ = thread.join();
        }
    }
}

/// A quarter of the time between two ticks.
fn nap() -> Duration {
    let hertz = kernel::sysctl_get(c"kern.hz").ok().and_then(|value| read_int(&value)).filter(|hertz| *hertz > 0);
    let hertz = u32::try_from(hertz.unwrap_or(USUAL_HERTZ)).unwrap_or(u32::MAX);
    (Duration::from_secs(1) / hertz / 4).max(SHORTEST)
}

/// cpuset_getaffinity(2) of our process: the processors that we may run on.
fn processors() -> Vec<u16> {
    let mut mask = vec![0_u8; SIZE];
    // SAFETY: `mask` is live and writable for its length, which is given; the kernel copies bytes. -1 is ourselves.
    let got = check(unsafe {
        libc::cpuset_getaffinity(libc::CPU_LEVEL_WHICH, libc::CPU_WHICH_PID, -1, mask.len(), mask.as_mut_ptr().cast())
    });
    if got.is_ok() { cpuset::decode(&mask) } else { Vec::new() }
}

/// cpuset_setaffinity(2) of the calling thread to one processor.
fn bind(processor: u16) -> bool {
    let mask = cpuset::encode([processor]);
    // SAFETY: `mask` is live for its length, which is given; the kernel copies bytes. -1 is the calling thread.
    let set = check(unsafe {
        libc::cpuset_setaffinity(libc::CPU_LEVEL_WHICH, libc::CPU_WHICH_TID, -1, mask.len(), mask.as_ptr().cast())
    });
    set.is_ok()
}
