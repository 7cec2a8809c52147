//! Length limits of a record's parts.
