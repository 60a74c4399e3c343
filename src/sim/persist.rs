//! The simulated kernel as one file: versioned, checksummed, replaced by rename.
//!
//! The file is a line that says what it is, the SHA-256 of the rest, and the kernel in postcard. Nothing of a file
//! is trusted before its checksum agrees; and since a checksum is no proof against a file made by hand, what the
//! simulator relies on is checked after that ([`Kernel::restore`]).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Kernel;

/// The beginning of every version's first line.
const MAGIC: &[u8] = b"cellblock simulated kernel ";

/// Changes whenever the layout of anything in [`Kernel`] does.
const VERSION: &[u8] = b"4\n";

/// The octets of a SHA-256.
const DIGEST: usize = 32;

/// Larger files are refused unread, in octets: a lab of 10,000 nodes takes a hundredth of it.
const LARGEST: u64 = 1 << 30;

/// Why a kernel was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// It cannot be written down: an error of this program.
    #[error("cannot encode the simulated kernel: {0}")]
    Encode(#[from] postcard::Error),
    /// The file system's fault; the file is as it was before.
    #[error("cannot write `{}`: {error}", path.display())]
    Io {
        /// The file, or the one beside it that was to replace it.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("cannot read the simulated kernel: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("not a simulated kernel")]
    Foreign,
    /// It was written by another version of this program.
    #[error("a simulated kernel of another version of cellblock")]
    Version,
    /// It is cut off or changed.
    #[error("the simulated kernel is damaged")]
    Damaged,
    /// It is whole, yet contradicts itself.
    #[error("the simulated kernel contradicts itself: {0}")]
    Inconsistent(&'static str),
}

/// The kernel as the octets of a file.
///
/// # Errors
/// `Encode`.
pub fn encode(kernel: &Kernel) -> Result<Vec<u8>, SaveError> {
    let head = [MAGIC, VERSION, &[0; DIGEST]].concat();
    let body_at = head.len();
    let mut file = postcard::to_extend(kernel, head)?;
    let digest = Sha256::digest(file.get(body_at..).unwrap_or_default());
    if let Some(place) = file.get_mut(body_at - DIGEST..body_at) {
        place.copy_from_slice(&digest);
    }
    Ok(file)
}

/// The kernel in the octets of a file. All sockets are closed.
///
/// # Errors
/// All but `Io`.
pub fn decode(file: &[u8]) -> Result<Kernel, LoadError> {
    let Some(rest) = file.strip_prefix(MAGIC) else {
        return Err(if !file.is_empty() && MAGIC.starts_with(file) { LoadError::Damaged } else { LoadError::Foreign });
    };
    let Some(rest) = rest.strip_prefix(VERSION) else {
        return Err(if VERSION.starts_with(rest) { LoadError::Damaged } else { LoadError::Version });
    };
    let (digest, body) = rest.split_first_chunk::<DIGEST>().ok_or(LoadError::Damaged)?;
    if Sha256::digest(body).as_slice() != digest {
        return Err(LoadError::Damaged);
    }
    let (mut kernel, rest): (Kernel, _) = postcard::take_from_bytes(body).map_err(|_| LoadError::Damaged)?;
    if !rest.is_empty() {
        return Err(LoadError::Damaged);
    }
    kernel.restore().map_err(LoadError::Inconsistent)?;
    Ok(kernel)
}

/// Writes the kernel to `path`: whole or, if anything fails, not at all.
///
/// # Errors
/// Any of [`SaveError`].
pub fn save(kernel: &Kernel, path: &Path) -> Result<(), SaveError> {
    let octets = encode(kernel)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = write(&beside, &octets).map_err(|error| SaveError::Io { path: beside.clone(), error });
    let renamed = written
        .and_then(|()| fs::rename(&beside, path).map_err(|error| SaveError::Io { path: path.to_owned(), error }));
    if renamed.is_err() {
        // What is left is only of use if the rename was made.
        let _ = fs::remove_file(&beside);
    }
    renamed?;
    // The new name must be as durable as the file. Some file systems cannot sync a directory; nothing is lost then
    // but durability across a power failure.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(())
}

fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

/// Reads a kernel from `path`.
///
/// # Errors
/// Any of [`LoadError`].
pub fn load(path: &Path) -> Result<Kernel, LoadError> {
    let mut octets = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > LARGEST {
        return Err(LoadError::Foreign);
    }
    decode(&octets)
}

#[cfg(test)]
mod tests {
    use ngsock::generic;
    use ngsock::name::Name;
    use ngsock::node::pipe;

    use super::*;
    use crate::sim::kernel::{Random, VnetId};
    use crate::sim::sockets::{Protocol, SockId, Socket};
    use crate::sim::{ifnet, netgraph};

    fn kernel() -> Kernel {
        let mut kernel = Kernel::boot(7);
        netgraph::load_module(&mut kernel, "ng_ipfw").unwrap();
        kernel.new_vnet(Some(3));
        kernel.run(1_500_000_000, |_| false);
        kernel
    }

    #[test]
    fn a_kernel_comes_back_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kernel");
        let kernel = kernel();
        save(&kernel, &path).unwrap();
        save(&kernel, &path).unwrap();
        let loaded = load(&path).unwrap();
        assert_eq!(encode(&loaded).unwrap(), encode(&kernel).unwrap());
        assert_eq!(loaded.clock.now(), 1_500_000_000);
        assert_eq!(loaded.vnets[&VnetId::HOST].netgraph.node_count(), 1);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_cut_anywhere_is_never_taken_for_whole() {
        let octets = encode(&kernel()).unwrap();
        for len in 0..octets.len() {
            assert!(decode(&octets[..len]).is_err(), "{len}");
        }
        assert!(matches!(decode(&octets[..60]), Err(LoadError::Damaged)));
        assert!(matches!(decode(&[&octets[..], b"x"].concat()), Err(LoadError::Damaged)));
    }

    #[test]
    fn a_changed_octet_is_found() {
        let octets = encode(&kernel()).unwrap();
        for place in 0..octets.len() {
            let mut changed = octets.clone();
            changed[place] ^= 0x10;
            assert!(decode(&changed).is_err(), "{place}");
        }
    }

    #[test]
    fn other_files_and_versions_are_told_apart() {
        assert!(matches!(decode(b""), Err(LoadError::Foreign)));
        assert!(matches!(decode(b"%PDF-1.4"), Err(LoadError::Foreign)));
        assert!(matches!(decode(b"cellblock simulated kernel 0\n..."), Err(LoadError::Version)));
        assert!(matches!(decode(&[MAGIC, VERSION, b"..."].concat()), Err(LoadError::Damaged)));
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(load(&directory.path().join("none")), Err(LoadError::Io(_))));
    }

    /// A kernel with a bit of everything, frames in a pipe's queue and running timers included.
    fn busy() -> Kernel {
        let mut kernel = kernel();
        for module in ["ng_socket", "ng_eiface", "ng_bridge", "ng_pipe", "ng_tee", "ng_ether"] {
            netgraph::load_module(&mut kernel, module).unwrap();
        }
        kernel.modules.extend(["if_epair".to_owned(), "if_bridge".to_owned()]);
        let sock = SockId(kernel.sockets.next);
        let control = netgraph::socket_open(&mut kernel, VnetId::HOST, sock);
        let socket = Socket { vnet: VnetId::HOST, jail: None, protocol: Protocol::Netgraph(control) };
        kernel.sockets.open.insert(sock, socket);
        call(&mut kernel, ".:", &mkpeer("bridge", "b", "link0"));
        call(&mut kernel, "b", &mkpeer("eiface", "link1", "ether"));
        call(&mut kernel, "b", &mkpeer("pipe", "link2", "upper"));
        call(&mut kernel, "b.link2", &mkpeer("eiface", "lower", "ether"));
        let changes = pipe::Changes { delay_microseconds: pipe::Setting::Set(500_000), ..pipe::Changes::default() };
        call(&mut kernel, "b.link2", &pipe::SetConfig(changes));
        let epair = ifnet::create(&mut kernel, VnetId::HOST, "epair", None).unwrap();
        let bridge = ifnet::create(&mut kernel, VnetId::HOST, "bridge", None).unwrap();
        for index in [epair, bridge].into_iter().chain(ifnet::find(&kernel, VnetId::HOST, "ngeth0")) {
            ifnet::set_flags(&mut kernel, index, 1, true).unwrap();
        }
        let jailed = kernel.new_vnet(Some(1));
        ifnet::give(&mut kernel, epair, jailed, true).unwrap();
        exercise(&mut kernel);
        kernel.run(100_000_000, |_| false);
        kernel
    }

    fn mkpeer(kind: &str, ours: &str, theirs: &str) -> generic::MkPeer {
        let [kind, our_hook, peer_hook] = [kind, ours, theirs].map(|name| Name::new(name).unwrap());
        generic::MkPeer(generic::NewPeer { kind, our_hook, peer_hook })
    }

    fn call(kernel: &mut Kernel, path: &str, request: &impl ngsock::Request) {
        let mut datagram = Vec::new();
        ngsock::message::encode_request(&mut datagram, 1, request).unwrap();
        let sock = kernel.sockets.open.keys().next().copied().unwrap();
        let _ = netgraph::send(kernel, sock, path.as_bytes(), &datagram);
        while netgraph::receive(kernel, sock).is_some() {}
    }

    /// Sends a frame out of every interface.
    fn exercise(kernel: &mut Kernel) {
        let indexes: Vec<_> = kernel.interfaces.iter().map(|interface| interface.index).collect();
        for index in indexes {
            ifnet::transmit(kernel, index, [&[255; 6][..], &[2, 0, 0, 0, 0, 1], &[8, 6], &[0; 46]].concat());
        }
        kernel.frame_budget = 2000;
        kernel.settle();
    }

    /// Files whose checksum is right although nothing else is.
    #[test]
    fn files_made_by_hand_are_refused_or_harmless() {
        let octets = encode(&busy()).unwrap();
        let body_at = MAGIC.len() + VERSION.len() + DIGEST;
        assert_eq!(decode(&octets).unwrap().vnets[&VnetId::HOST].netgraph.node_count(), 7);
        let mut random = Random(1);
        let mut below = |most: usize| usize::try_from(random.next_u64() % most as u64).unwrap();
        let single = (body_at..octets.len()).flat_map(|place| [0, 0xff].map(|value| vec![(place, value)]));
        let several = (0..1000).map(|_| {
            let some = 1 + below(5);
            (0..some).map(|_| (body_at + below(octets.len() - body_at), u8::try_from(below(256)).unwrap())).collect()
        });
        for changes in single.collect::<Vec<_>>().into_iter().chain(several.collect::<Vec<_>>()) {
            let mut changed = octets.clone();
            for (place, value) in changes {
                changed[place] = value;
            }
            let digest = Sha256::digest(&changed[body_at..]);
            changed[body_at - DIGEST..body_at].copy_from_slice(&digest);
            let Ok(mut kernel) = decode(&changed) else { continue };
            kernel.new_vnet(None);
            exercise(&mut kernel);
            kernel.run(1_000_000_000, |_| false);
            for vnet in kernel.vnets.keys().copied().collect::<Vec<_>>() {
                ifnet::tear_down(&mut kernel, vnet);
            }
            encode(&kernel).unwrap();
        }
    }
}
