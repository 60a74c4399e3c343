//! What a visitor is told and what it answers, in memory that both have: an outcome of the whole, and one order after the other.
//! Nothing here allocates.

use crate::abi::Errno;

/// Octets of the outcome, before the first order.
pub(super) const HEAD: usize = 16;
/// Octets before what an order carries: the task, three numbers, how many octets are filled, and how many there are.
const ORDER: usize = 24;

/// What became of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The visitor has said all that it had to say.
    pub(super) has_come_back: bool,
    /// Why it could not enter, or could not pass out what it opened; 0 if it could.
    pub(super) errno: i32,
    /// Sockets that were passed out.
    pub(super) passed: usize,
}

impl Outcome {
    /// Nothing yet.
    pub(super) const NONE: Self = Self { has_come_back: false, errno: 0, passed: 0 };

    pub(super) fn write(self, room: &mut [u8]) {
        let passed = i32::try_from(self.passed).unwrap_or(i32::MAX);
        put(room, [i32::from(self.has_come_back), self.errno, passed, 0]);
    }

    pub(super) fn read(room: &[u8]) -> Self {
        let [has_come_back, errno, passed, _] = numbers(room).unwrap_or_default();
        Self { has_come_back: has_come_back != 0, errno, passed: usize::try_from(passed).unwrap_or(0) }
    }
}

/// An order as the visitor finds it.
pub(super) struct Order<'r> {
    pub(super) task: i32,
    pub(super) numbers: [i32; 3],
    /// Octets that it carries; the room for the answer begins at the same place.
    pub(super) length: usize,
    head: &'r mut [u8],
    pub(super) body: &'r mut [u8],
}

/// Octets of an order that carries, or brings back, so many.
pub(super) fn space(most: usize) -> usize {
    ORDER + most.next_multiple_of(8)
}

/// Writes an order; the room behind it, or `None` where there is not enough.
pub(super) fn write<'r>(
    room: &'r mut [u8],
    task: i32,
    [a, b, c]: [i32; 3],
    bytes: &[u8],
    most: usize,
) -> Option<&'r mut [u8]> {
    let (order, rest) = room.split_at_mut_checked(space(most))?;
    let (length, capacity) = (i32::try_from(bytes.len()).ok()?, i32::try_from(most).ok()?);
    put(order, [task, a, b, c, length, capacity]);
    order.get_mut(ORDER..ORDER + bytes.len())?.copy_from_slice(bytes);
    Some(rest)
}

/// Takes the next order.
pub(super) fn next(room: &mut [u8]) -> Option<(Order<'_>, &mut [u8])> {
    let [task, a, b, c, length, capacity] = numbers(room)?;
    let (length, capacity) = (usize::try_from(length).ok()?, usize::try_from(capacity).ok()?);
    let (order, rest) = room.split_at_mut_checked(space(capacity))?;
    let (head, body) = order.split_at_mut_checked(ORDER)?;
    let body = body.get_mut(..capacity).filter(|_| length <= capacity)?;
    Some((Order { task, numbers: [a, b, c], length, head, body }, rest))
}

impl Order<'_> {
    /// The errno takes the place of the task; how much of the body is the answer.
    pub(super) fn answer(self, answer: Result<usize, Errno>) {
        let (errno, length) = match answer {
            Ok(length) => (0, i32::try_from(length.min(self.body.len())).unwrap_or(0)),
            Err(errno) => (errno.raw(), 0),
        };
        let [a, b, c] = self.numbers;
        put(self.head, [errno, a, b, c, length]);
    }
}

/// What an order was answered.
type Answer<'r> = Result<&'r [u8], Errno>;

/// The answer to the next order, and the rest.
pub(super) fn answer(room: &[u8]) -> Option<(Answer<'_>, &[u8])> {
    let [errno, _, _, _, length, capacity] = numbers(room)?;
    let (length, capacity) = (usize::try_from(length).ok()?, usize::try_from(capacity).ok()?);
    let (order, rest) = room.split_at_checked(space(capacity))?;
    let value = order.get(ORDER..ORDER + length)?;
    Some((Errno::from_raw(errno).map_or(Ok(value), Err), rest))
}

fn put<const N: usize>(room: &mut [u8], numbers: [i32; N]) {
    for (place, number) in room.chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
}

fn numbers<const N: usize>(room: &[u8]) -> Option<[i32; N]> {
    let mut numbers = [0; N];
    for (number, place) in numbers.iter_mut().zip(room.get(..N * 4)?.chunks_exact(4)) {
        *number = i32::from_ne_bytes(place.try_into().ok()?);
    }
    Some(numbers)
}
