//! The request summary: one line of NDJSON, owned and bounded, with nothing borrowed from the server.
