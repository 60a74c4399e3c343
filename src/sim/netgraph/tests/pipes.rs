//! Pipes in virtual time.

use super::*;

/// A pipe from the socket's hook `p` to a hole.
fn pipe_lab(changes: pipe::Changes) -> Lab {
    let mut lab = Lab::new();
    lab.mkpeer(".:", "pipe", "p", "upper").unwrap();
    lab.name("p", "pipe").unwrap();
    lab.mkpeer("pipe:", "hole", "lower", "h").unwrap();
    lab.call("pipe:", &pipe::SetConfig(changes)).unwrap();
    lab
}

#[test]
fn a_pipe_that_does_nothing_delays_nothing() {
    let mut lab = pipe_lab(pipe::Changes::default());
    lab.emit("p", &frame(7, 1));
    assert_eq!(lab.swallowed("pipe:lower"), 1);
    assert_eq!(lab.kernel.clock.next_due(), None);
}

#[test]
fn a_pipe_delays_to_the_next_tick() {
    let mut lab = pipe_lab(pipe::Changes { delay_microseconds: pipe::Setting::Set(2500), ..pipe::Changes::default() });
    lab.pass(1);
    lab.emit("p", &frame(7, 1));
    lab.pass(2);
    assert_eq!(lab.swallowed("pipe:lower"), 0);
    let queues = lab.call("pipe:", &pipe::GetQueues).unwrap();
    assert_eq!((queues.downstream.delayed_frames, queues.downstream.delayed_octets), (1, 60));
    lab.pass(1);
    assert_eq!(lab.swallowed("pipe:lower"), 1, "2.5 ms are 3 ticks");
    assert_eq!(lab.call("pipe:", &pipe::GetStats).unwrap().downstream.forwarded_octets, 60);
}

#[test]
fn a_pipe_spaces_frames_by_bandwidth_and_drops_what_does_not_fit() {
    // 476 octets and 24 of overhead are 4000 bits: 1 ms at 4 Mbit/s.
    let direction =
        pipe::DirectionChanges { queue_limit_frames: pipe::Setting::Set(5), ..pipe::DirectionChanges::default() };
    let mut lab = pipe_lab(pipe::Changes {
        bandwidth_bits_per_second: pipe::Setting::Set(4_000_000),
        overhead_octets: pipe::Setting::Set(24),
        downstream: direction,
        ..pipe::Changes::default()
    });
    for _ in 0..10 {
        lab.emit("p", &[[2, 0, 0, 0, 0, 1].as_slice(), &[2; 470]].concat());
    }
    let stats = lab.call("pipe:", &pipe::GetStats).unwrap().downstream;
    assert_eq!(stats.queue_dropped_frames, 4, "one on the line, five in the queue");
    for passed in 1..=6 {
        lab.pass(1);
        assert_eq!(lab.swallowed("pipe:lower"), passed);
    }
    lab.pass(100);
    assert_eq!(lab.swallowed("pipe:lower"), 6);
}

#[test]
fn a_pipe_loses_and_doubles_a_share_of_frames_and_the_same_ones_every_time() {
    let run = || {
        let direction = pipe::DirectionChanges {
            bits_per_error: pipe::Setting::Set(4800),
            duplicate_percent: pipe::Setting::Set(9),
            ..pipe::DirectionChanges::default()
        };
        let mut lab = pipe_lab(pipe::Changes { downstream: direction, ..pipe::Changes::default() });
        for _ in 0..2000 {
            lab.emit("p", &frame(7, 1));
        }
        let stats = lab.call("pipe:", &pipe::GetStats).unwrap().downstream;
        (lab.swallowed("pipe:lower"), stats)
    };
    let (frames, stats) = run();
    // 2000 frames and their doubles (one in ten, the kernel counts the limit in), of which 9.5 % are lost.
    let total = stats.forwarded_frames + stats.delay_dropped_frames;
    assert!((2150..2300).contains(&total), "{total}");
    assert!((150..280).contains(&stats.delay_dropped_frames), "{stats:?}");
    assert_eq!(run(), (frames, stats));
}

#[test]
fn a_pipe_ignores_what_is_out_of_range_and_folds_equal_bandwidths() {
    let mut lab = pipe_lab(pipe::Changes {
        bandwidth_bits_per_second: pipe::Setting::Set(2_000_000_000),
        delay_microseconds: pipe::Setting::Set(20_000_000),
        ..pipe::Changes::default()
    });
    let config = lab.call("pipe:", &pipe::GetConfig).unwrap();
    assert_eq!((config.bandwidth_bits_per_second, config.delay_microseconds), (0, 0));
    let bandwidth = |bits| pipe::DirectionChanges {
        bandwidth_bits_per_second: pipe::Setting::Set(bits),
        ..pipe::DirectionChanges::default()
    };
    let changes =
        |down, up| pipe::Changes { downstream: bandwidth(down), upstream: bandwidth(up), ..pipe::Changes::default() };
    lab.call("pipe:", &pipe::SetConfig(changes(1000, 2000))).unwrap();
    let config = lab.call("pipe:", &pipe::GetConfig).unwrap();
    assert_eq!((config.bandwidth_bits_per_second, config.downstream.bandwidth_bits_per_second), (0, 1000));
    lab.call("pipe:", &pipe::SetConfig(changes(3000, 3000))).unwrap();
    let config = lab.call("pipe:", &pipe::GetConfig).unwrap();
    assert_eq!((config.bandwidth_bits_per_second, config.upstream.bandwidth_bits_per_second), (3000, 0));
}

#[test]
fn a_dead_pipe_tells_both_neighbours_and_reports_the_last_ones_error() {
    let mut lab = pipe_lab(pipe::Changes::default());
    let dead = pipe::DirectionChanges { bits_per_error: pipe::Setting::Set(1), ..pipe::DirectionChanges::default() };
    let changes = pipe::Changes { downstream: dead, ..pipe::Changes::default() };
    let mut datagram = Vec::new();
    ngsock::message::encode_request(&mut datagram, 1, &pipe::SetConfig(changes)).unwrap();
    // The hole below refuses flow messages, the socket above takes it.
    assert_eq!(send(&mut lab.kernel, lab.sock, b"pipe:", &datagram), Ok(()));
    let (_, flow) = receive(&mut lab.kernel, lab.sock).unwrap();
    let flow = Message::parse(&flow).unwrap();
    assert_eq!((flow.header.cookie, flow.header.command), (851_672_669, 33));
    lab.emit("p", &frame(7, 1));
    assert_eq!(lab.swallowed("pipe:lower"), 0);
}
