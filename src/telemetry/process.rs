//! The process as the kernel counts it: `/proc/self`, read at a scrape.
