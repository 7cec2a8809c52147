//! The output of `try`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use api_sessions_cloud_api::error::brief;
use api_sessions_store::clock::rfc3339;

use super::grouping::{Groups, Session};
use super::rotation::{Change, Rotations};
use super::selection::Selection;
use crate::limits::{
    MAX_PRINTED_BYTES, MAX_PRINTED_CHANGES, MAX_PRINTED_HOSTS, MAX_PRINTED_SESSIONS,
    MAX_PRINTED_SPLITS,
};

/// Prints the result for a file.
pub(super) fn print(
    file: &str,
    entries: usize,
    selection: &Selection,
    groups: &Groups,
    out: &mut dyn Write,
) -> io::Result<()> {
    let hosts = selection.hosts.join(", ");
    let of_hosts = if hosts.is_empty() { String::new() } else { format!(" to {hosts}") };
    writeln!(
        out,
        "{file}: {} of {} go through the node{of_hosts}",
        selection.selected,
        counted(entries, "entry", "entries")
    )?;
    left_out(selection, out)?;
    writeln!(out)?;
    writeln!(out, "{}", counted(groups.sessions.len(), "session", "sessions"))?;
    for (at, session) in groups.sessions.iter().take(MAX_PRINTED_SESSIONS).enumerate() {
        print_session(at, session, out)?;
    }
    if let Some(more) =
        groups.sessions.len().checked_sub(MAX_PRINTED_SESSIONS).filter(|more| *more > 0)
    {
        writeln!(out, "  and {more} more")?;
    }
    print_keys(&groups.sessions, &groups.given, out)?;
    print_changes(&groups.rotations, out)
}

fn left_out(selection: &Selection, out: &mut dyn Write) -> io::Result<()> {
    let others: usize = selection.other_hosts.values().sum();
    if others > 0 {
        let mut hosts: Vec<(&String, &usize)> = selection.other_hosts.iter().collect();
        hosts.sort_by_key(|(_, requests)| std::cmp::Reverse(**requests));
        let names: Vec<String> = hosts
            .iter()
            .take(MAX_PRINTED_HOSTS)
            .map(|(host, requests)| format!("{} {requests}", brief(host, MAX_PRINTED_BYTES)))
            .collect();
        let and_more = if hosts.len() > MAX_PRINTED_HOSTS { ", …" } else { "" };
        let hosts = counted(hosts.len(), "other host", "other hosts");
        let names = names.join(", ");
        writeln!(out, "  left out: {others} to {hosts} ({names}{and_more}); --host adds one")?;
    }
    for (count, why) in [
        (selection.from_cache, "answered from the browser's cache"),
        (selection.unanswered, "without an answer"),
        (selection.not_http, "not HTTP"),
    ] {
        if count > 0 {
            writeln!(out, "  left out: {count} {why}")?;
        }
    }
    if selection.without_time > 0 {
        let entries = counted(selection.without_time, "entry has", "entries have");
        writeln!(
            out,
            "  {entries} no readable \"startedDateTime\": taken in the order of the file"
        )?;
    }
    if selection.selected > 0 && !selection.has_credentials {
        writeln!(
            out,
            "  no cookie, Set-Cookie or Authorization header: browsers leave them out of an export unless asked \
             (Chrome: \"Export HAR (with sensitive data)\", allowed in the settings of its developer tools)"
        )?;
    }
    Ok(())
}

fn print_session(at: usize, session: &Session, out: &mut dyn Write) -> io::Result<()> {
    let requests = counted(session.requests, "request", "requests");
    let (first, last) = (rfc3339(session.first_ms), rfc3339(session.last_ms));
    writeln!(out, "  {}  {requests}  {first} to {last}", at + 1)?;
    let mut keys: Vec<_> = session.keys.iter().collect();
    keys.sort_by_key(|(_, requests)| std::cmp::Reverse(**requests));
    let keys: Vec<String> = keys
        .iter()
        .map(|((label, kind), requests)| {
            format!("{} ({kind}) {requests}", brief(label, MAX_PRINTED_BYTES))
        })
        .collect();
    writeln!(out, "     found by {}", keys.join(", "))?;
    let paths: Vec<String> =
        session.paths.iter().map(|path| brief(path, MAX_PRINTED_BYTES)).collect();
    writeln!(out, "     {}", paths.join(" "))
}

fn print_keys(sessions: &[Session], given: &[String], out: &mut dyn Write) -> io::Result<()> {
    let mut keys: BTreeMap<(&str, &str), (usize, BTreeSet<usize>)> = BTreeMap::new();
    for (at, session) in sessions.iter().enumerate() {
        for ((label, kind), requests) in &session.keys {
            let (all, of) = keys.entry((label, kind)).or_default();
            *all += requests;
            of.insert(at);
        }
    }
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_by_key(|(_, (requests, _))| std::cmp::Reverse(*requests));
    let is_unused = |label: &&String| keys.iter().all(|((known, _), _)| known != label);
    let unused: Vec<&String> = given.iter().filter(is_unused).collect();
    if keys.is_empty() && unused.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nkeys")?;
    for label in unused {
        writeln!(out, "  {}  in no request: {}", brief(label, MAX_PRINTED_BYTES), meaning("key"))?;
    }
    for ((label, kind), (requests, of)) in keys {
        let requests = counted(requests, "request", "requests");
        let sessions = counted(of.len(), "session", "sessions");
        let (label, why) = (brief(label, MAX_PRINTED_BYTES), meaning(kind));
        writeln!(out, "  {label}  {requests} in {sessions}: {why}")?;
    }
    Ok(())
}

/// The meaning of a kind of key (`$api_session_source`).
fn meaning(kind: &str) -> &'static str {
    match kind {
        "key" => "a key of yours",
        "builtin" => "the built-in set",
        "client" => "the built-in set: names a client, not a user",
        "link" => "issued to the session by an answer",
        "ip_ua" => "no key: address and User-Agent",
        "ip" => "no key: address",
        _ => "other",
    }
}

fn print_changes(rotations: &Rotations, out: &mut dyn Write) -> io::Result<()> {
    if rotations.count == 0 {
        return Ok(());
    }
    writeln!(out, "\nvalues that changed")?;
    if rotations.count > rotations.changes.len() {
        writeln!(out, "  the first {} of {}:", rotations.changes.len(), rotations.count)?;
    }
    let mut names: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in &rotations.changes {
        names.entry(&change.name).or_default().push(change);
    }
    for (name, changes) in names {
        let (went_on, split): (Vec<&Change>, Vec<&Change>) =
            changes.iter().partition(|change| change.before == change.after);
        let times = counted(changes.len(), "time", "times");
        let (name, splits) = (brief(name, MAX_PRINTED_BYTES), split.len());
        writeln!(out, "  {name}  {times}: {} in one session, {splits} to another", went_on.len())?;
        for change in
            split.iter().take(MAX_PRINTED_SPLITS).chain(went_on.iter().take(MAX_PRINTED_CHANGES))
        {
            print_change(change, out)?;
        }
    }
    Ok(())
}

fn print_change(change: &Change, out: &mut dyn Write) -> io::Result<()> {
    let at = rfc3339(change.at_ms);
    let issued = match &change.issued_by {
        Some(by) => format!("issued by {}", brief(by, MAX_PRINTED_BYTES)),
        None => "issued by no answer in the file".to_owned(),
    };
    let (before, after) = (change.before + 1, change.after + 1);
    if before == after {
        writeln!(out, "     {at}  session {before} goes on ({issued})")
    } else {
        writeln!(out, "     {at}  session {before}, then session {after} ({issued})")
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
