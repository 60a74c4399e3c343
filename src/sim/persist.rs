//! The simulated kernel as one file: versioned, checksummed, replaced by rename.
