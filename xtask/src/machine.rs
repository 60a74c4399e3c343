//! The virtual machine: what it is made of, and the command that starts it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::Args;

/// What a person has of a FreeBSD machine.
#[derive(Clone, Debug, Default, Args)]
pub struct Machine {
    /// A disk that boots by itself, raw or qcow2, such as an official image for virtual machines.
    #[arg(long, env = "CELLBLOCK_VM_IMAGE", value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// A kernel for `qemu -kernel`, together with --root.
    #[arg(long, env = "CELLBLOCK_VM_KERNEL", value_name = "FILE", requires = "root")]
    pub kernel: Option<PathBuf>,
    /// The disk with the root file system for --kernel, raw or qcow2.
    #[arg(long, env = "CELLBLOCK_VM_ROOT", value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// The kernel's environment, as `name=value name=value`.
    #[arg(long, env = "CELLBLOCK_VM_APPEND", value_name = "TEXT")]
    pub append: Option<String>,
    /// MiB of memory.
    #[arg(long, env = "CELLBLOCK_VM_MEMORY", default_value_t = 4096, value_name = "MIB")]
    pub memory: u32,
    /// Processors.
    #[arg(long, env = "CELLBLOCK_VM_CPUS", default_value_t = 2, value_name = "COUNT")]
    pub cpus: u32,
    /// Emulate the processor although there is /dev/kvm: for hosts whose own virtualisation does not work.
    #[arg(long, env = "CELLBLOCK_VM_EMULATE", value_parser = clap::builder::FalseyValueParser::new())]
    pub emulate: bool,
    /// The emulator.
    #[arg(long, env = "CELLBLOCK_VM_QEMU", default_value = "qemu-system-x86_64", value_name = "PROGRAM")]
    pub qemu: PathBuf,
    /// Another argument for qemu; may be given again.
    #[arg(long = "qemu-arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub qemu_args: Vec<String>,
}

/// How to provide a machine.
pub const HOW: &str = "\
no FreeBSD machine was given. Any of these will do:
  cargo xtask vm --image FreeBSD.qcow2       an official image for virtual machines (or a raw one), FreeBSD 14 or 15, with
                                             its console on the serial line (console=\"comconsole\" in /boot/loader.conf)
                                             and a root who may log in there without a password
  cargo xtask vm --kernel KERNEL --root DISK a kernel that qemu can load, and the disk it finds its root on (vtbd0)
  cargo xtask remote HOST                    a machine that ssh reaches, as root or with --become doas
The variables CELLBLOCK_VM_IMAGE, or CELLBLOCK_VM_KERNEL and CELLBLOCK_VM_ROOT, say the same. The disk is not changed: what
the guest writes is thrown away";

impl Machine {
    /// The disk the machine boots from or has its root on.
    ///
    /// # Errors
    /// Nothing was given, or a file that is not there.
    pub fn disk(&self) -> Result<&Path> {
        let disk = match (&self.image, &self.kernel, &self.root) {
            (Some(_), Some(_), _) => bail!("--image boots by itself; give --kernel with --root, or --image alone"),
            (Some(image), None, _) => image,
            (None, Some(_), Some(root)) => root,
            (None, None, Some(_)) => bail!("--root needs --kernel"),
            (None, Some(_), None) => bail!("--kernel needs --root"),
            (None, None, None) => bail!(HOW),
        };
        for file in [Some(disk), self.kernel.as_ref()].into_iter().flatten() {
            ensure!(file.is_file(), "there is no file {}", file.display());
        }
        Ok(disk)
    }

    /// The arguments of qemu: the machine's disk (vtbd0), the bundle (vtbd1), a disk for the results (vtbd2), and the
    /// serial line on our pipes.
    ///
    /// # Errors
    /// Those of [`Machine::disk`].
    pub fn command(&self, bundle: &Path, results: &Path, kvm: bool) -> Result<Vec<String>> {
        let disk = self.disk()?;
        let format = if is_qcow2(disk) { "qcow2" } else { "raw" };
        let accelerator = if kvm { "kvm" } else { "tcg,thread=multi" };
        let processor = if kvm { "host" } else { "max,-svm" };
        let mut words: Vec<String> =
            ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"].map(str::to_owned).to_vec();
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
        option("-machine", "pc".to_owned());
        option("-accel", accelerator.to_owned());
        option("-cpu", processor.to_owned());
        option("-m", self.memory.to_string());
        option("-smp", self.cpus.to_string());
        option("-rtc", "base=utc".to_owned());
        option("-serial", "stdio".to_owned());
        if let Some(kernel) = &self.kernel {
            option("-kernel", kernel.display().to_string());
        }
        if let Some(append) = &self.append {
            option("-append", append.clone());
        }
        let mut drive = |id: &str, file: &Path, rest: &str| {
            // A comma in a file name is written twice.
            let file = file.display().to_string().replace(',', ",,");
            option("-drive", format!("if=none,id={id},file={file},{rest}"));
            option("-device", format!("virtio-blk-pci,drive={id}"));
        };
        drive("machine", disk, &format!("format={format},snapshot=on"));
        drive("bundle", bundle, "format=raw,readonly=on");
        drive("results", results, "format=raw,cache=unsafe");
        words.extend(self.qemu_args.iter().cloned());
        Ok(words)
    }
}

/// Whether a disk begins as qcow2 does.
fn is_qcow2(disk: &Path) -> bool {
    use std::io::Read as _;
    let mut magic = [0; 4];
    std::fs::File::open(disk).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && &magic == b"QFI\xfb"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn without_a_machine_it_says_how_to_provide_one() {
        let error = Machine::default().disk().unwrap_err().to_string();
        assert!(error.contains("--image") && error.contains("CELLBLOCK_VM_KERNEL") && error.contains("remote HOST"));
    }

    #[test]
    fn what_does_not_go_together() {
        let folder = tempfile::tempdir().unwrap();
        let disk = file(folder.path(), "d", b"raw");
        let both = Machine { image: Some(disk.clone()), kernel: Some(disk.clone()), ..Machine::default() };
        assert!(both.disk().unwrap_err().to_string().contains("alone"));
        let alone = Machine { root: Some(disk), ..Machine::default() };
        assert!(alone.disk().unwrap_err().to_string().contains("--kernel"));
        let missing = Machine { image: Some(folder.path().join("none")), ..Machine::default() };
        assert!(missing.disk().unwrap_err().to_string().contains("there is no file"));
    }

    #[test]
    fn an_image_boots_by_itself_and_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let image = file(folder.path(), "a,b.qcow2", b"QFI\xfb....");
        let machine = Machine { image: Some(image), memory: 2048, cpus: 1, ..Machine::default() };
        let words = machine.command(Path::new("/b.tar"), Path::new("/r.img"), true).unwrap().join(" ");
        assert!(words.contains("a,,b.qcow2,format=qcow2,snapshot=on"), "{words}");
        assert!(words.contains("id=bundle,file=/b.tar,format=raw,readonly=on"));
        assert!(words.contains("-accel kvm") && words.contains("-cpu host") && words.contains("-m 2048"));
        assert!(words.contains("-serial stdio") && words.contains("-no-reboot"));
        assert!(!words.contains("-kernel"));
        let order: Vec<_> = ["drive=machine", "drive=bundle", "drive=results"].map(|d| words.find(d).unwrap()).to_vec();
        assert!(order.is_sorted(), "the guest finds its disks by their order");
    }

    #[test]
    fn a_kernel_is_loaded_with_its_environment() {
        let folder = tempfile::tempdir().unwrap();
        let (kernel, root) = (file(folder.path(), "kernel", b"\x7fELF"), file(folder.path(), "root", b"raw"));
        let machine = Machine {
            kernel: Some(kernel.clone()),
            root: Some(root),
            append: Some("kern.vmready=1".into()),
            qemu_args: vec!["-s".into()],
            ..Machine::default()
        };
        let words = machine.command(Path::new("/b"), Path::new("/r"), false).unwrap();
        assert!(words.windows(2).any(|pair| pair == ["-kernel", &*kernel.display().to_string()]));
        assert!(words.windows(2).any(|pair| pair == ["-append", "kern.vmready=1"]));
        assert!(words.windows(2).any(|pair| pair == ["-accel", "tcg,thread=multi"]));
        assert!(words.join(" ").contains("format=raw,snapshot=on"));
        assert_eq!(words.last().unwrap(), "-s");
    }
}
