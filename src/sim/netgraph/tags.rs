//! Tags that frames carry from node to node, beside their octets (mbuf_tags(9)).
//!
//! They end where a frame leaves the graph or waits in a queue, such as a pipe's; a real kernel keeps them there too.

use ngsock::node::tag::Tag;

/// The tags of a frame, the last added first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<Tag>);

/// So many tags a frame carries at most; a ring of nodes that add some would go on for ever.
const MOST: usize = 64;

impl Tags {
    /// Adds a tag before all others; left out if there are too many, as when the kernel has no memory.
    pub(super) fn add(&mut self, tag: Tag) {
        if self.0.len() < MOST {
            self.0.insert(0, tag);
        }
    }

    /// Where the first tag with this cookie and number is that begins with this data.
    pub(super) fn find(&self, wanted: &Tag) -> Option<usize> {
        let fits = |tag: &Tag| {
            (tag.cookie, tag.id) == (wanted.cookie, wanted.id)
                && tag.data.as_bytes().starts_with(wanted.data.as_bytes())
        };
        self.0.iter().position(fits)
    }

    /// A tag by its place.
    pub(super) fn get(&self, place: usize) -> Option<&Tag> {
        self.0.get(place)
    }

    /// Removes a tag by its place.
    pub(super) fn remove(&mut self, place: usize) {
        if place < self.0.len() {
            self.0.remove(place);
        }
    }
}
