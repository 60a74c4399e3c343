//! The firewalls of nodes.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::graph::{Name, Place};

/// The rules for the packets of a node: all that its network namespace has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Whose.
    pub place: Place,
    /// The file they are from, as the topology names it.
    pub file: Name,
    /// What is in it, in the words of nft(8).
    pub text: Name,
}

impl Rules {
    /// What tells rules from others: 10 digits of SHA-256.
    #[must_use]
    pub fn digest(&self) -> String {
        Sha256::digest(&*self.text).iter().take(5).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What nft(8) is given for these rules, or for none: one transaction that takes away what there is. Line numbers are those of the
    /// file.
    #[must_use]
    pub fn input(rules: Option<&Self>) -> String {
        format!("flush ruleset; {}\n", rules.map_or("", |rules| &*rules.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_goes_in_the_same_transaction() {
        let text = "table inet filter {\n}\n";
        let rules = Rules { place: Place::Lab, file: "a.nft".into(), text: text.into() };
        assert_eq!(Rules::input(Some(&rules)), "flush ruleset; table inet filter {\n}\n\n");
        assert_eq!(Rules::input(None), "flush ruleset; \n");
        // A line that says who is to read the file is a comment there, too.
        let script = Rules { text: "#!/usr/sbin/nft -f\n".into(), ..rules.clone() };
        assert_eq!(Rules::input(Some(&script)), "flush ruleset; #!/usr/sbin/nft -f\n\n");
        assert_ne!(rules.digest(), script.digest());
        assert_eq!(rules.digest().len(), 10);
    }
}
