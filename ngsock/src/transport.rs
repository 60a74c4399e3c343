//! What carries control messages: a socket of a FreeBSD kernel, or anything that answers like one.

use crate::Errno;

/// One control socket: datagrams out with a destination path, datagrams in with their source.
///
/// `send` is synchronous in the way of `ng_socket`: when it returns `Ok`, the node has handled the message
/// and any reply is already waiting in `receive`; an `Err` is the handler's own errno.
pub trait Transport {
    /// sendto(2): `path` is the address string without family byte and without NUL, such as `[2b]:` or `.:hook`.
    ///
    /// # Errors
    /// The errno of the address, of the node's handler, or `ENOBUFS` when the reply did not fit the receive buffer.
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno>;

    /// recvfrom(2) with `MSG_DONTWAIT`: the datagram replaces the contents of `buffer`; returns the source path
    /// (such as `[2b]:`), or `None` when nothing waits.
    ///
    /// # Errors
    /// The errno of recvfrom(2); an empty queue is not an error.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno>;
}
