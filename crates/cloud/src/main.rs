//! api-sessions-cloud
fn main() {}
