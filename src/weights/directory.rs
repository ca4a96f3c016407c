//! A store in a directory on disk, for native programs.
