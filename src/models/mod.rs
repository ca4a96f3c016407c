//! Architectures: one file each, and the list.
