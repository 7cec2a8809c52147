#![no_main]
//! Whatever a request holds, its record is one line of JSON, and a masked value is not in it.
mod common;
use api_sessions_engine::point::testing::FakeExchange;
use api_sessions_engine::point::{NoVariables, Point, Scratch};
use api_sessions_engine::record::{ContextParam, Encoder, Facts, Settings};
use api_sessions_engine::session::{Hasher, Keys, Stage, resolve};
use api_sessions_wire::{ParamType, Record};

/// Begins with a letter that no escape of JSON ends with.
const SECRET: &str = "kanary-0123456789";

/// Session ids in places that the built-in set knows; no rule names them here.
const LIVE: &str = "livecred-0123456789";
const JWT: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIiwic2lkIjoicyJ9.bGl2ZQ";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (query, body) = common::split(data);
    let live = [b"access_token=".as_slice(), LIVE.as_bytes(), b"&", query].concat();
    let cookie = [b"PHPSESSID=".as_slice(), LIVE.as_bytes(), b"; token=", JWT.as_bytes(), b"; a=", body].concat();
    let path = [b"/shop;jsessionid=".as_slice(), LIVE.as_bytes(), b"/", query].concat();
    let exchange = FakeExchange { query: live, path, ..FakeExchange::get("/") }
        .header("X-Secret", SECRET)
        .header("X-Other", body)
        .header("User-Agent", [body, SECRET.as_bytes(), query].concat())
        .header("Authorization", format!("Bearer {JWT}"))
        .header("Cookie", cookie)
        .body("application/json", body);
    let point = |text| Point::parse(text, &mut NoVariables).expect("a point");
    let masks = [point("request.header.X-Secret"), point("request.ip"), point("request.query.pin")];
    let params = [ContextParam {
        point: point("request.query.a"),
        name: "a".into(),
        kind: ParamType::Context,
        hash: false,
    }];
    let hasher = Hasher::new(&[7; 32]);
    for builtin in [false, true] {
        let keys = Keys { own: &[], builtin };
        let (mut scratch, mut found) = (Scratch::default(), Vec::new());
        let resolution = resolve(keys, &exchange, Stage::Log, &hasher, &mut scratch, &mut found);
        let settings = Settings { keys, params: &params, masks: &masks, hasher: &hasher };
        let facts = Facts { attacks: &["sqli"], ..Facts::default() };
        let mut encoder = Encoder::default();
        let line =
            encoder.encode(&facts, &settings, &resolution, &found, &exchange, &mut scratch);
        let text = std::str::from_utf8(line).expect("UTF-8");
        assert_eq!(text.matches('\n').count(), 1);
        serde_json::from_str::<Record<'_>>(text).expect("a record");
        // What the fuzzer itself put into a parameter that is shown is no secret.
        let copied = data.windows(LIVE.len()).any(|window| window == LIVE.as_bytes());
        assert!(!text.contains(SECRET) && !text.contains(JWT));
        assert!(copied || !text.contains(LIVE));
    }
});
