//! `api_sessions_control`: reads and changes this node's denylist.

use api_sessions_agent::remote_config::{OrderError, StateFile};
use api_sessions_nginx::body::{self, BodyReader};
use api_sessions_nginx::handler::ContentHandler;
use api_sessions_nginx::process;
use api_sessions_nginx::request::Request;
use api_sessions_nginx::response;
use api_sessions_protocol::{DenyOrder, SessionId};
use api_sessions_shm::{DenyError, DenylistWriter, EntryOrigin};
use ngx::ffi::ngx_int_t;
use serde_json::json;

use crate::directives::MainConf;
use crate::request::rules::lift;

/// `GET` lists, `POST` adds, `DELETE ?session=ID` removes.
pub(crate) struct Control;

impl ContentHandler for Control {
    fn handle(r: Request<'_>) -> ngx_int_t {
        let Some(writer) = MainConf::of(r).and_then(|main| main.runtime().denylist_writer()) else {
            return refusal(r, 503, "not_ready", "the denylist is not there");
        };
        match r.current_method() {
            b"GET" | b"HEAD" => list(r, writer),
            b"POST" => body::read::<Post>(r),
            b"DELETE" => remove(r, writer),
            _ => {
                response::add_header(r, c"Allow", c"GET, HEAD, POST, DELETE");
                refusal(r, 405, "method_not_allowed", "GET, POST and DELETE are accepted")
            }
        }
    }
}

struct Post;

impl BodyReader for Post {
    const LIMIT: usize = 64 * 1024;

    fn handle(r: Request<'_>, body: Option<Vec<u8>>) -> ngx_int_t {
        let Some(body) = body else {
            return refusal(r, 413, "too_large", "a body of at most 64 KB is accepted");
        };
        let (now, by) = (process::now_ms(), String::from_utf8_lossy(r.remote_addr()));
        let entry = match parse(&body)
            .and_then(|order| order.entry(&by, now).map_err(|why| why.to_string()))
        {
            Ok(entry) => entry,
            Err(why) => return refusal(r, 400, "bad_request", &why),
        };
        let Some(writer) = MainConf::of(r).and_then(|main| main.runtime().denylist_writer()) else {
            return refusal(r, 503, "not_ready", "the denylist is not there");
        };
        let done = match kept(r, writer) {
            Some(file) => file.insert(&entry, now),
            None => writer.insert(&entry, now).map_err(OrderError::NotTaken),
        };
        match done {
            Ok(()) => answer(r, 201, &json!(entry)),
            Err(error) => failure(r, "denied", &error),
        }
    }
}

fn parse(body: &[u8]) -> Result<DenyOrder, String> {
    // Derived code would accept `["0123…", 60]` as well.
    if body.trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
        return Err("a JSON object is expected".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn list(r: Request<'_>, writer: &DenylistWriter) -> ngx_int_t {
    let mut entries = Vec::new();
    writer.list().list(process::now_ms(), &mut |entry, origin| {
        let origin = match origin {
            EntryOrigin::Local => "node",
            EntryOrigin::Cloud => "cloud",
        };
        let mut entry = json!(entry);
        entry["origin"] = json!(origin);
        entries.push(entry);
    });
    answer(r, 200, &json!({ "denylist": entries }))
}

fn remove(r: Request<'_>, writer: &DenylistWriter) -> ngx_int_t {
    let query = r.line().query;
    let session = api_sessions_extract::query::find(query, b"session", 0)
        .and_then(|id| std::str::from_utf8(id).ok()?.parse::<SessionId>().ok());
    let Some(session) = session else {
        let text = "?session= with 32 lower-case hexadecimal digits is accepted";
        return refusal(r, 400, "bad_request", text);
    };
    let done = match kept(r, writer) {
        Some(file) => file.remove(&session, process::now_ms()),
        None => writer.remove(&session, EntryOrigin::Local).map_err(OrderError::NotTaken),
    };
    if matches!(done, Ok(true) | Err(OrderError::NotDurable(_)))
        && let Some(main) = MainConf::of(r)
    {
        // For a while no rule restores the entry.
        lift::lifted(main, &session, process::now_ms());
    }
    match done {
        Ok(true) => answer(r, 200, &json!({ "removed": session.to_string() })),
        Ok(false) => refusal(r, 404, "not_found", "this node does not deny the session"),
        Err(error) => failure(r, "removed", &error),
    }
}

/// An acknowledged change survives any end of NGINX, if there is a directory for it (`spool=`).
fn kept(r: Request<'_>, writer: &DenylistWriter) -> Option<StateFile> {
    let main = MainConf::of(r)?;
    let spool = main.export()?.settings.spool.as_ref()?;
    Some(StateFile::new(&spool.path, *writer, main.runtime().settings()))
}

/// `done` names the change, which is in force even if the disk fails.
fn failure(r: Request<'_>, done: &str, error: &OrderError) -> ngx_int_t {
    let error = match error {
        OrderError::NotTaken(error) => error,
        OrderError::NotDurable(error) => {
            let why = format!(
                "{done} until NGINX restarts: the directory of \"spool=\" cannot be written to: {error}"
            );
            return refusal(r, 503, "not_durable", &why);
        }
    };
    let status = match error {
        DenyError::Busy => 503,
        DenyError::Full => 507,
        _ => 400,
    };
    refusal(r, status, "not_taken", &error.to_string())
}

fn refusal(r: Request<'_>, status: u16, error: &str, detail: &str) -> ngx_int_t {
    answer(r, status, &json!({ "error": error, "detail": detail }))
}

fn answer(r: Request<'_>, status: u16, document: &serde_json::Value) -> ngx_int_t {
    response::send(r, status, c"application/json", format!("{document}\n").as_bytes())
}
