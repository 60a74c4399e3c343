//! How many messages a second, and how many allocations each: `cargo bench -p ngsock`.

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use ngsock::generic::MkPeer;
use ngsock::message::{Message, encode_request};
use ngsock::{HookName, TypeName};

/// Counts the allocations of each benchmark; divan prints them if there are any.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const MESSAGES: u32 = 1000;

fn mkpeer() -> MkPeer {
    let hook = |name| HookName::new(name).expect("a good name");
    MkPeer::new(&TypeName::new("eiface").expect("a good name"), &hook("link7"), &hook("ether"))
}

#[divan::bench]
fn encode_mkpeer(bencher: Bencher<'_, '_>) {
    let request = mkpeer();
    let mut buffer = Vec::with_capacity(256);
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(move || {
        for token in 0..MESSAGES {
            buffer.clear();
            encode_request(&mut buffer, token, black_box(&request)).expect("a short message");
            black_box(&buffer);
        }
    });
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

fn main() {
    divan::main();
}
