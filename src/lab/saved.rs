//! A plan in a file, to be carried out later exactly as it was read, or not at all.
//!
//! The first line says what it is, in which version, and the SHA-256 of all that follows; that is JSON: the plan as `plan --format json`
//! writes it, for people and programs to read, and `data`, what it takes to carry it out.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::{LabError, LabErrorKind};
use super::words;
use crate::graph::{Graph, Object, Owner};
use crate::model::{Model, NodeName};
use crate::plan::{Plan, render};

const MAGIC: &str = "#cellblock-plan ";
const VERSION: &str = "1";

/// A plan in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedPlan {
    /// The engine's name.
    pub engine: String,
    /// What it was made of.
    pub model: Model,
    /// Nodes that it keeps to.
    pub targets: Vec<NodeName>,
    /// Whether what programs in nodes made counts.
    pub strict: bool,
    /// What the kernel held.
    before: Vec<(Owner, Object)>,
    /// What it is to hold.
    desired: Vec<(Owner, Object)>,
}

fn parts(graph: &Graph) -> Vec<(Owner, Object)> {
    graph.parts().map(|(owner, object)| (owner.clone(), object.clone())).collect()
}

impl SavedPlan {
    /// What it takes to carry out a plan later.
    #[must_use]
    pub fn new(engine: &str, plan: &Plan, model: &Model, targets: &[NodeName]) -> Self {
        Self {
            engine: engine.to_owned(),
            model: model.clone(),
            targets: targets.to_vec(),
            strict: plan.strict,
            before: parts(&plan.before),
            desired: parts(&plan.desired),
        }
    }

    /// The file.
    ///
    /// # Errors
    /// `Bug`.
    pub fn encode(&self, plan: &Plan) -> Result<String, LabError> {
        let bug = |error: String| LabError::new(LabErrorKind::Bug, format!("the plan cannot be written down: {error}"));
        let data = words::hex(&postcard::to_stdvec(self).map_err(|error| bug(error.to_string()))?);
        let value = json!({ "engine": self.engine, "plan": render::json(plan), "data": data });
        let body = serde_json::to_string_pretty(&value).map_err(|error| bug(error.to_string()))? + "\n";
        let digest = words::hex(Sha256::digest(body.as_bytes()).as_slice());
        Ok(format!("{MAGIC}{VERSION} {digest}\n{body}"))
    }

    /// Reads a file; nothing of it is taken before its checksum agrees.
    ///
    /// # Errors
    /// `Unusable`: it is something else, of another version, cut off or changed.
    pub fn decode(octets: &[u8]) -> Result<Self, LabError> {
        let wrong = |what: &str, hint: &str| LabError::new(LabErrorKind::StalePlan, what).hint(hint);
        let anew = "`cellblock plan --out` writes a new one";
        let text = std::str::from_utf8(octets).ok().and_then(|text| text.strip_prefix(MAGIC));
        let Some(text) = text else { return Err(wrong("this is not a plan", "`cellblock up` takes topology files")) };
        let (line, body) = text.split_once('\n').ok_or_else(|| wrong("the plan is damaged", anew))?;
        let (version, digest) = line.split_once(' ').ok_or_else(|| wrong("the plan is damaged", anew))?;
        if version != VERSION {
            return Err(wrong("the plan was written by another version of cellblock", anew));
        }
        if words::hex(Sha256::digest(body.as_bytes()).as_slice()) != digest {
            return Err(wrong("the plan is damaged", anew));
        }
        let data = serde_json::from_str::<Value>(body).ok();
        let data = data.as_ref().and_then(|value| value["data"].as_str()).and_then(unhex);
        data.and_then(|data| postcard::from_bytes(&data).ok()).ok_or_else(|| wrong("the plan is damaged", anew))
    }

    /// What has changed since it was made, where `now` is the same plan made again: an object each.
    ///
    /// # Errors
    /// `Bug`.
    pub fn moved(&self, now: &Plan) -> Result<Vec<String>, LabError> {
        let then = now.before.with_parts(self.before.clone())?;
        let wanted = now.desired.with_parts(self.desired.clone())?;
        let mut moved = differences(then, &now.before, "the kernel");
        moved.extend(differences(wanted, &now.desired, "what is wanted"));
        Ok(moved)
    }
}

fn differences(then: Graph, now: &std::sync::Arc<Graph>, where_: &str) -> Vec<String> {
    let plan = crate::plan::build(now.clone(), then.into());
    plan.changes.iter().map(|change| format!("{where_}: {}", words::of_move(change))).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_told_apart() {
        let say = |octets: &[u8]| SavedPlan::decode(octets).unwrap_err().message;
        assert_eq!(say(b"version: 1\n"), "this is not a plan");
        assert_eq!(say(b"\xff"), "this is not a plan");
        assert_eq!(say(b"#cellblock-plan 1"), "the plan is damaged");
        assert_eq!(say(b"#cellblock-plan 9 00\n{}"), "the plan was written by another version of cellblock");
        assert_eq!(say(b"#cellblock-plan 1 00\n{}"), "the plan is damaged");
        for body in
            ["", "{}", "[]", "{\"data\": 1}", "{\"data\": \"0\"}", "{\"data\": \"00\"}", "{\"data\": \"\u{e9}\"}"]
        {
            let digest = words::hex(Sha256::digest(body.as_bytes()).as_slice());
            assert_eq!(say(format!("#cellblock-plan 1 {digest}\n{body}").as_bytes()), "the plan is damaged");
        }
    }
}
