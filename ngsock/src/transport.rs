//! What carries control messages: a socket of a FreeBSD kernel, or anything that answers like one.

use core::time::Duration;

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

    /// poll(2): waits until a datagram can be received, for `time` at most. Returns how much of that is left, `None`
    /// once it has passed. Where nothing ever comes by itself, which is what is assumed here, it has passed at once.
    ///
    /// # Errors
    /// `EINTR` if a signal came first.
    fn wait(&mut self, time: Duration) -> Result<Option<Duration>, Errno> {
        let _ = time;
        Ok(None)
    }
}

/// A transport may be lent.
impl<T: Transport + ?Sized> Transport for &mut T {
    fn send(&mut self, path: &[u8], datagram: &[u8]) -> Result<(), Errno> {
        (**self).send(path, datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno> {
        (**self).receive(buffer)
    }

    fn wait(&mut self, time: Duration) -> Result<Option<Duration>, Errno> {
        (**self).wait(time)
    }
}

/// One data socket: frames out of the hooks of a control socket's node, and what comes in by them.
pub trait DataTransport {
    /// sendto(2): a frame leaves by the hook of that name; without a name, by the only one.
    ///
    /// # Errors
    /// `ENOTCONN` before it is connected, `EHOSTUNREACH` if there is no such hook, `EDESTADDRREQ` without a name if
    /// there is not just one, `EMSGSIZE` for more than the send buffer takes; what the neighbour answers.
    fn send_frame(&mut self, hook: &[u8], frame: &[u8]) -> Result<(), Errno>;

    /// recvfrom(2) with `MSG_DONTWAIT`: the frame replaces the contents of `buffer`; returns the name of the hook it
    /// came by, or `None` when nothing waits.
    ///
    /// # Errors
    /// The errno of recvfrom(2); an empty queue is not an error.
    fn receive_frame(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Errno>;
}
