//! How a command comes to a lab that was made without privilege: through the process that holds it.

use std::io;

use super::holder::{self, Holder};
use super::{Namespaces, Way, no};
use crate::engine::EngineError;
use crate::engine::linux::kernel::Kernel;
use crate::model::LabName;

impl Namespaces {
    /// Enters the namespaces of a lab where labs have their own; whether there may be something of it to see.
    pub(super) fn approach(&mut self, lab: &LabName) -> Result<bool, EngineError> {
        let boot = self.boot_identity();
        let found = self.holder(lab)?.filter(|holder| holder.lives(&boot));
        let Some(holder) = found else { return Ok(self.way == Way::Direct) };
        if self.entered.as_ref() == Some(lab) {
            return Ok(true);
        }
        if self.way == Way::Direct || holder.user != self.user {
            let message = format!("lab `{lab}` was made without privilege by user {}", holder.user);
            return Err(EngineError::strange(lab.as_str(), "", message).hint("run this as that user"));
        }
        self.one_lab_only(lab)?;
        holder.enter(&boot).map_err(|error| not_entered(lab, &error))?;
        self.entered = Some(lab.clone());
        Ok(true)
    }

    /// Makes sure that there is something that can hold the lab, and that we are in it.
    pub(super) fn house(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        if self.way == Way::Direct {
            return Ok(());
        }
        if !self.approach(lab)? {
            self.one_lab_only(lab)?;
            // One that is dead may have left processes behind.
            self.leave(lab)?;
            let (file, boot) = (self.file(lab), self.boot_identity());
            let holder = Holder::start(&file, &boot, token).map_err(|error| no(file.display(), "unshare", &error))?;
            if let Err(error) = holder.enter(&boot) {
                self.leave(lab)?;
                return Err(not_entered(lab, &error));
            }
            self.entered = Some(lab.clone());
        }
        holder::furnish().map_err(|error| no("/run", "mount", &error))
    }

    /// Ends the process that holds a lab, and what was started in it.
    pub(super) fn leave(&mut self, lab: &LabName) -> Result<(), EngineError> {
        let (file, boot) = (self.file(lab), self.boot_identity());
        let Some(holder) = self.holder(lab)? else {
            return holder::forget(&file).map_err(|error| no(file.display(), "unlink", &error));
        };
        holder.end(&file, &boot).map_err(|error| no(file.display(), "kill", &error))
    }

    fn file(&self, lab: &LabName) -> std::path::PathBuf {
        holder::file(&self.state_dir, lab.as_str())
    }

    fn holder(&self, lab: &LabName) -> Result<Option<Holder>, EngineError> {
        let file = self.file(lab);
        Holder::read(&file).map_err(|error| no(file.display(), "read", &error))
    }

    /// There is no way back out of a user namespace.
    fn one_lab_only(&self, lab: &LabName) -> Result<(), EngineError> {
        let Some(other) = &self.entered else { return Ok(()) };
        let message = format!("this process has entered lab `{other}` and cannot enter `{lab}`");
        Err(EngineError::strange(lab.as_str(), "setns", message).hint("labs without privilege take one process each"))
    }
}

fn not_entered(lab: &LabName, error: &io::Error) -> EngineError {
    let refused = no(lab, "setns", error);
    if error.raw_os_error() == Some(libc::EINVAL) {
        return refused.hint("Linux lets no program with threads into a user namespace");
    }
    refused
}
