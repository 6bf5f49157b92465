//! Every family of metrics by name, kind, labels and meaning: the one table that `/metrics` and
//! `docs/metrics.md` are made of.
