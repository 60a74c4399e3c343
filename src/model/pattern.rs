//! Patterns of checks: `pc*`, `r2:wan0`, `*`. A `*` stands for any run of characters and does not cross `:`.

use super::{Address, IfName, Model, NodeId};

/// A pattern of nodes, or of interfaces when it has a `:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What the node's name must match.
    pub node: String,
    /// What the interface's name must match (`lo` is the loopback); `None` takes all of them.
    pub interface: Option<String>,
}

impl Pattern {
    /// Splits at the first `:`; any text is a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.split_once(':') {
            Some((node, interface)) => Self { node: node.to_owned(), interface: Some(interface.to_owned()) },
            None => Self { node: text.to_owned(), interface: None },
        }
    }

    /// The nodes with a stack that match by name and, where the pattern names interfaces, have one that matches.
    #[must_use]
    pub fn nodes(&self, model: &Model) -> Vec<NodeId> {
        let fits = |id: &NodeId| {
            let node = model.node(*id);
            !node.kind.is_layer2()
                && (self.interface.is_none()
                    || self.takes_loopback() && !node.loopback.is_empty()
                    || node.interfaces.keys().any(|name| self.takes(name)))
        };
        let named: Vec<NodeId> = if self.node.contains('*') {
            let all = (0..model.nodes.len()).map(NodeId);
            all.filter(|id| glob(&self.node, model.node(*id).name.as_str())).collect()
        } else {
            model.find(&self.node).into_iter().collect()
        };
        named.into_iter().filter(fits).collect()
    }

    /// The addresses of `node` on the interfaces that match, each with its interface (`None` is the loopback).
    pub fn addresses<'m>(
        &self,
        model: &'m Model,
        node: NodeId,
    ) -> impl Iterator<Item = (Option<&'m IfName>, &'m Address)> {
        let node = model.node(node);
        let loopback = if self.takes_loopback() { node.loopback.as_slice() } else { &[] };
        let interfaces = node.interfaces.iter().filter(|(name, _)| self.takes(name));
        interfaces
            .flat_map(|(name, interface)| interface.addresses.iter().map(move |address| (Some(name), address)))
            .chain(loopback.iter().map(|address| (None, address)))
    }

    fn takes(&self, interface: &IfName) -> bool {
        self.interface.as_deref().is_none_or(|pattern| glob(pattern, interface.as_str()))
    }

    fn takes_loopback(&self) -> bool {
        self.interface.as_deref().is_none_or(|pattern| glob(pattern, "lo"))
    }
}

/// Whether `text` matches `pattern`, where `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The leftmost place of each middle part leaves the most for those after it.
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, text) in [("*", ""), ("*", "pc1"), ("pc*", "pc"), ("*c*", "pc1"), ("a*b*c", "abbc"), ("a**", "a")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("pc", "pc1"), ("pc*", "p"), ("a*a", "a"), ("*ab*ab", "ab"), ("a*b*c", "acb")]
        {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_does_not_cross_the_colon() {
        assert_eq!(Pattern::new("pc*:eth0"), Pattern { node: "pc*".into(), interface: Some("eth0".into()) });
        assert_eq!(Pattern::new("pc*").interface, None);
    }
}
