//! What `api_sessions_export` accepts.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::harness::Nginx;

const SERVER: &str = "server { listen 127.0.0.1:PORT; location / { api_sessions on; } }";

#[test]
fn export_headers_that_cannot_be_are_configuration_errors() {
    for (words, expected) in [
        ("header=X", "\"Name: value\" expected"),
        ("\"header=Content-Type: x\"", "\"content-type\" is set by the exporter"),
        ("\"header=A: 1\" \"header=a: 2\"", "header \"a\" is duplicate"),
        ("header_file=nowhere", "cannot read"),
        ("header_file=empty", "holds no header"),
        ("token_file=token \"header=Authorization: Basic x\"", "\"token_file=\" and a header"),
        ("sync=maybe", "invalid value \"maybe\""),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("token"), "abc").unwrap();
        fs::write(directory.path().join("empty"), "# none\n").unwrap();
        let tested = Nginx::builder()
            .http(&format!("api_sessions_export http://h {words}; {SERVER}"))
            .check_in(&directory);
        assert!(!tested.ok, "{words}");
        assert!(tested.stderr.contains(expected), "{words}: {}", tested.stderr);
    }
}

#[test]
fn variables_were_taken_as_text_without_a_word() {
    for (words, is_accepted) in [
        ("http://h \"header=X-Key: $api_key\"", true),
        ("http://h node=${hostname}", true),
        ("http://$backend:8700", false),
    ] {
        let http = format!("api_sessions_export {words}; {SERVER}");
        let tested = Nginx::builder().http(&http).check();
        assert_eq!(tested.ok, is_accepted, "{}", tested.stderr);
        assert!(tested.stderr.contains("variables"), "{words}: {}", tested.stderr);
        assert!(!tested.stderr.contains("api_key"), "{}", tested.stderr);
    }
    let http = format!("api_sessions_export http://h \"header=X-Key: pa$$word\"; {SERVER}");
    let tested = Nginx::builder().http(&http).check();
    assert!(tested.ok && !tested.stderr.contains("variables"), "{}", tested.stderr);
}

#[test]
fn a_socket_path_that_no_socket_can_have_was_accepted() {
    let path = format!("/run/{}", "x".repeat(103));
    let tested =
        Nginx::builder().http(&format!("api_sessions_export unix:{path}; {SERVER}")).check();
    assert!(!tested.ok && tested.stderr.contains("at most 107 bytes"), "{}", tested.stderr);
}

#[test]
fn a_spool_that_cannot_be_made_passed_the_configuration_test() {
    let directory = tempfile::tempdir().unwrap();
    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    symlink("nowhere", directory.path().join("link")).unwrap();
    for (spool, message) in [
        ("closed/a/spool", "cannot be reached by the workers"),
        ("file/spool", "Not a directory"),
        ("file", "is not a directory"),
        ("link", "is a symbolic link to nothing"),
    ] {
        let path = directory.path().join(spool);
        let http = format!("api_sessions_export http://h spool={}; {SERVER}", path.display());
        let tested = Nginx::builder().user("nobody nogroup").http(&http).check();
        assert!(tested.stderr.contains(message), "{spool}: {}", tested.stderr);
        let log = Nginx::builder().user("nobody nogroup").http(&http).start_fails();
        assert!(log.contains("[emerg]") && log.contains(message), "{spool}: {log}");
    }
    assert!(!closed.join("a").exists());
}
