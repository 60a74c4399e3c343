//! Labs of one state directory, as the commands see them: plan, apply, take down, look, test.

mod behind;
mod engines;
mod error;
mod gc;
mod known;
mod labs;
mod lend;
mod life;
mod names;
mod plans;
mod renames;
mod roots;
mod saved;
mod site;
mod sysctls;
mod types;
mod verify;
mod words;

pub use crate::engine::{Exit, Fact, Running, Standing, Stop, Stream, Wish};
pub use engines::{check, choose_engine, is_left_out, simulated_programs, survey};
pub use error::{ExecError, LabError, LabErrorKind};
pub use gc::{Stray, StrayKind};
pub use labs::Labs;
pub use life::GRACE;
pub use plans::PlanOptions;
pub use saved::SavedPlan;
pub use site::{Before, Settling, Site};
pub use types::{
    Access, Applied, ApplyOptions, CommandFailure, EngineKind, Handed, LabState, LabSummary, NameRow, Probe,
    ProbeResult, Progress, RouteDoorKind, SiteOptions,
};
