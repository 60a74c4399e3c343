//! Netlink messages as bytes: shared by the engines and the simulator, socket-free, the system chosen by value.
