//! Bytes arrive and stay: source, plan, download, verify, store. The files are the steps.
