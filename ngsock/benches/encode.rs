//! How many messages a second: `cargo bench -p ngsock`. Before that, and as a test, that encoding allocates nothing.
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use ngsock::generic::MkPeer;
use ngsock::message::{Message, encode_request};
use ngsock::{HookName, TypeName};

/// The system's allocator, which counts what each thread takes from it.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator as it came, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that the system's allocator wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; the memory came from there.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above; the memory came from there.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// How often `work` asked for memory.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

const MESSAGES: u32 = 1000;

fn mkpeer() -> MkPeer {
    let hook = |name| HookName::new(name).expect("a good name");
    MkPeer::new(&TypeName::new("eiface").expect("a good name"), &hook("link7"), &hook("ether"))
}

#[divan::bench]
fn encode_mkpeer(bencher: Bencher<'_, '_>) {
    let request = mkpeer();
    let mut buffer = Vec::with_capacity(256);
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(move || encode_many(&mut buffer, &request));
}

#[divan::bench]
fn decode_mkpeer(bencher: Bencher<'_, '_>) {
    let mut buffer = Vec::new();
    encode_request(&mut buffer, 1, &mkpeer()).expect("a short message");
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(move || {
        for _ in 0..MESSAGES {
            let message = Message::parse(black_box(&buffer)).expect("a whole message");
            black_box(message.request::<MkPeer>().expect("a whole request"));
        }
    });
}

/// Encodes as many messages as a benchmark does, into a buffer that is large enough.
fn encode_many(buffer: &mut Vec<u8>, request: &MkPeer) {
    for token in 0..MESSAGES {
        buffer.clear();
        encode_request(buffer, token, black_box(request)).expect("a short message");
        black_box(&*buffer);
    }
}

fn main() {
    let (mut buffer, request) = (Vec::with_capacity(256), mkpeer());
    let encoding = allocations(|| encode_many(&mut buffer, &request));
    let decoding = allocations(|| {
        let message = Message::parse(black_box(&buffer)).expect("a whole message");
        black_box(message.request::<MkPeer>().expect("a whole request"));
    });
    assert_eq!((encoding, decoding), (0, 0), "allocations of {MESSAGES} messages encoded, of one decoded");
    assert_ne!(allocations(|| drop(black_box(vec![0_u8; 8]))), 0, "the allocator counts");
    divan::main();
}
