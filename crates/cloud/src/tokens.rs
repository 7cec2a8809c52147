//! The tokens of a first start, and making more.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::auth;
use api_sessions_store::{Role, Store, StoreError};

/// File of the ingest token, in the data directory.
pub const INGEST_FILE: &str = "ingest.token";

/// File of the admin token, in the data directory.
pub const ADMIN_FILE: &str = "admin.token";

/// Makes a token and keeps its hash.
///
/// # Errors
/// [`StoreError`]
pub fn create(store: &dyn Store, role: Role, label: &str) -> Result<String, StoreError> {
    let token = auth::new_token()?;
    store.add_token(&auth::hash(&token), role, label)?;
    Ok(token)
}

/// Makes the first token of each role that a cloud cannot do without, where there is none of it (all were
/// made by hand, were revoked, or a first start ended half-way), and leaves it in a file for this user
/// alone. Gives the admin token if it was made now.
///
/// # Errors
/// [`StoreError`]; a file that cannot be written.
pub fn first(store: &dyn Store, data: &Path) -> Result<Option<String>, StoreError> {
    let known = store.tokens()?;
    let mut admin = None;
    for (role, name) in [(Role::Ingest, INGEST_FILE), (Role::Admin, ADMIN_FILE)] {
        if known.iter().any(|token| token.role == role) {
            continue;
        }
        // There is none yet where the store is elsewhere.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
        made.map_err(|error| {
            StoreError::Unavailable(format!("cannot make {}: {error}", data.display()))
        })?;
        let token = auth::new_token()?;
        // The file first: a token that counts but is nowhere would be no use. One in a file that does not
        // count is written over by the next start.
        write_private(&data.join(name), &token)?;
        store.add_token(&auth::hash(&token), role, "first start")?;
        if role == Role::Admin {
            admin = Some(token);
        }
    }
    Ok(admin)
}

fn write_private(path: &Path, token: &str) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let write = || {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{token}")?;
        file.sync_all()
    };
    write().map_err(|error| {
        StoreError::Unavailable(format!("cannot write {}: {error}", path.display()))
    })
}
