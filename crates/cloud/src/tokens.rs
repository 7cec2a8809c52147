//! Creation of tokens.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use api_sessions_cloud_api::auth;
use api_sessions_store::{Role, Store, StoreError};

/// File of the initial ingest token, in the data directory.
pub const INGEST_FILE: &str = "ingest.token";

/// File of the initial admin token, in the data directory.
pub const ADMIN_FILE: &str = "admin.token";

/// Creates a token and stores its hash.
///
/// # Errors
/// [`StoreError`]
pub fn create(store: &dyn Store, role: Role, label: &str) -> Result<String, StoreError> {
    let token = auth::new_token()?;
    store.add_token(&auth::hash(&token), role, label)?;
    Ok(token)
}

/// Creates an ingest and an admin token if the store has none of that role, and writes each to a file that only
/// this user can read. Returns the admin token if it was created.
///
/// # Errors
/// [`StoreError`], also if a file cannot be written.
pub fn create_initial(store: &dyn Store, data: &Path) -> Result<Option<String>, StoreError> {
    let known = store.tokens()?;
    let mut admin = None;
    for (role, name) in [(Role::Ingest, INGEST_FILE), (Role::Admin, ADMIN_FILE)] {
        if known.iter().any(|token| token.role == role) {
            continue;
        }
        // With a remote store, the data directory may not exist yet.
        let created = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
        created.map_err(|error| {
            StoreError::Unavailable(format!("cannot create {}: {error}", data.display()))
        })?;
        let token = auth::new_token()?;
        // The file first: after a crash in between, the next start overwrites a file with an unknown token,
        // whereas a valid token without a file would be lost.
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
