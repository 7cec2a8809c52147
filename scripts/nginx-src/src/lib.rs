//! Nothing: this package is only there for its dependency.
