//! The kernel of this machine, in namespaces of our own: labs by the program, and dumps by themselves.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use cellblock::netlink::consts::{NLMSG_DONE, NLMSG_ERROR};
use cellblock::netlink::wire::Messages;
use cellblock::netlink::{Dialect, Requests, linux};

use super::shape::Shape;
use super::{Outcome, Spent, sys};

/// The name of the lab that [`Shape::file`] describes.
pub const LAB: &str = "bench";

/// Namespaces with a /run of their own; what is kept on disk is on a disk.
pub struct Ready {
    pub state: tempfile::TempDir,
    home: File,
}

impl Ready {
    /// The calling thread, and what is started from it, is in them afterwards.
    pub fn make() -> io::Result<Self> {
        sys::raise_descriptor_limit()?;
        sys::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS)?;
        sys::mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE)?;
        sys::mount(c"bench", c"/run", c"tmpfs", 0)?;
        let state = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Self { state, home: File::open("/proc/thread-self/ns/net")? })
    }

    /// A lab, by the program.
    pub fn up(&self, shape: Shape, nodes: u32) -> Outcome<Lab<'_>> {
        let file = self.state.path().join("lab.yaml");
        fs::write(&file, shape.file(nodes))?;
        let lab = Lab { ready: self, file };
        lab.up_again()?;
        Ok(lab)
    }
}

/// A lab that is up.
pub struct Lab<'r> {
    ready: &'r Ready,
    file: PathBuf,
}

impl Lab<'_> {
    /// The same again: what it said, and what it took.
    pub fn up_again(&self) -> Outcome<(String, Spent)> {
        let file = self.file.display().to_string();
        let (began, before) = (Instant::now(), sys::processor_time(libc::RUSAGE_CHILDREN)?);
        let said = self.cellblock(&["up", &file])?;
        let wall = began.elapsed();
        Ok((said, Spent { wall, processor: sys::processor_time(libc::RUSAGE_CHILDREN)? - before }))
    }

    /// Takes it down, and waits until the kernel has done that.
    pub fn down(self) -> Outcome {
        self.cellblock(&["down", "--wait", LAB]).map(drop)
    }

    fn cellblock(&self, words: &[&str]) -> Outcome<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cellblock"));
        command.args(["--engine", "linux", "--state-dir"]).arg(self.ready.state.path()).args(words);
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Interfaces, addresses and routes of every namespace of the lab, thrown away.
    pub fn dump(&self) -> Outcome<Spent> {
        let (began, before) = (Instant::now(), sys::processor_time(libc::RUSAGE_THREAD)?);
        let mut addresses = Requests::new(Dialect::LINUX, 1);
        addresses.addresses(None);
        let mut routes = Requests::new(Dialect::LINUX, 1);
        routes.routes();
        let requests = [linux::links(None), addresses.bytes().to_vec(), routes.bytes().to_vec()];
        let folder = Path::new("/run/cellblock").join(LAB);
        let nodes = fs::read_dir(folder.join("ns"))?.map(|entry| entry.map(|entry| entry.path()));
        for namespace in nodes.chain([Ok(folder.join("lab"))]) {
            dump(&File::open(namespace?)?, &requests)?;
        }
        sys::enter(self.ready.home.as_fd())?;
        let wall = began.elapsed();
        Ok(Spent { wall, processor: sys::processor_time(libc::RUSAGE_THREAD)? - before })
    }
}

fn dump(namespace: &File, requests: &[Vec<u8>]) -> io::Result<()> {
    sys::enter(namespace.as_fd())?;
    let socket = sys::netlink()?;
    let mut buffer = vec![0; 1 << 16];
    for request in requests {
        sys::send(socket.as_fd(), request)?;
        let mut over = false;
        while !over {
            let got = sys::receive(socket.as_fd(), &mut buffer, 0)?;
            over = Messages::new(&buffer[..got]).any(|message| [NLMSG_DONE, NLMSG_ERROR].contains(&message.kind));
        }
    }
    Ok(())
}
