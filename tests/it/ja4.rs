//! JA4: what a client's TLS says of who it is.

mod fallback;
