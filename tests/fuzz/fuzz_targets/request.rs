//! A request of the fuzzer's, with a value in it that a point hides.

use api_sessions_extract::ContextParam;
use api_sessions_extract::testing::{AnyVariables, FakeExchange};
use api_sessions_extract::{KeyExport, SessionKey};
use api_sessions_extract::{Point, Scratch};
use api_sessions_protocol::ParamType;

use crate::encodings;

/// A session id in places that the built-in set knows; no point reads them here.
pub const LIVE: &str = "livecred-0123456789";
pub const JWT: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIiwic2lkIjoicyJ9.bGl2ZQ";

/// Begin with a letter that no escape of JSON ends with.
const SECRETS: &[&str] =
    &["kanary-0123456789", "Kan/7f3a+\u{e9}\"x\\", "Kana ry, <two>&words", "K7q\u{1F600}", "kQ~?"];
/// Beyond what is looked for as a whole.
const LONG: usize = 600;

const POINTS: &[&str] = &[
    "request.header.X-Secret",
    "request.cookie.k",
    "request.query.pin",
    "request.path[1]",
    "request.body.json.pin",
    "request.body.form.pin",
    "request.body.multipart.pin",
    "request.header.X-Token.jwt.payload.sub",
    "request.header.X-Basic.basic.user",
    "response.header.X-Secret",
    "$cookie_one:$cookie_two",
];

pub struct Request {
    pub exchange: FakeExchange,
    pub point: String,
    pub secret: String,
    pub keys: Vec<SessionKey>,
    pub params: Vec<ContextParam>,
    pub masks: Vec<Point>,
    pub builtin: bool,
    pub app: Vec<u8>,
    pub proto: Vec<u8>,
}

impl Request {
    /// Three bytes choose what is hidden and how; 0xFF separates the parts of the request. `None` where the
    /// fuzzer's parts keep the point from reading the value.
    pub fn of(data: &[u8]) -> Option<Self> {
        let choice = |at: usize| usize::from(data.get(at).copied().unwrap_or_default());
        let mut secret = match SECRETS.get(choice(0) % (SECRETS.len() + 1)) {
            Some(secret) => (*secret).to_owned(),
            None => "kanary-7".chars().cycle().take(LONG).collect(),
        };
        let place = choice(1) % POINTS.len();
        let point = POINTS[place];
        if point.starts_with('$') {
            // The value is both cookies, and each of them is one to be hidden.
            secret.retain(|letter| !matches!(letter, '"' | ';'));
        }
        let parts = data.get(3..).unwrap_or_default().split(|byte| *byte == 0xFF);
        let mut parts = parts.map(|part| encodings::expand(part, &secret));
        let mut next = || parts.next().unwrap_or_default();

        let mut variables = AnyVariables::default();
        let mut parse = |text: &str| Point::parse(text, &mut variables).expect("a point");
        let hidden = parse(point);
        let (mut keys, mut params, mut masks) = (Vec::new(), Vec::new(), Vec::new());
        match choice(2) % 4 {
            0 => masks.push(hidden),
            1 => {
                keys.push(SessionKey { point: hidden, name: "own".into(), export: KeyExport::Off })
            }
            2 => keys.push(SessionKey {
                point: hidden,
                name: "own".into(),
                export: KeyExport::Hashed,
            }),
            _ => params.push(param(hidden, ParamType::User, true)),
        }
        params.push(param(parse("request.query.a"), ParamType::Context, false));
        params.push(param(parse("request.header.X-Other"), ParamType::Role, false));

        let live = if choice(2) & 64 == 0 {
            (format!("/shop;jsessionid={LIVE}/"), format!("access_token={LIVE}&a="))
        } else {
            ("/".to_owned(), "a=".to_owned())
        };
        let mut exchange = FakeExchange {
            path: [live.0.into_bytes(), next()].concat(),
            query: [live.1.into_bytes(), next()].concat(),
            host: Some(next()),
            request_body_cut: choice(2) & 4 != 0,
            ..FakeExchange::get("/")
        };
        exchange.method.extend(next());
        let cookie = [
            b"PHPSESSID=".as_slice(),
            LIVE.as_bytes(),
            b"; token=",
            JWT.as_bytes(),
            b"; a=",
            &next(),
        ]
        .concat();
        exchange = exchange
            .header("User-Agent", next())
            .header("X-Other", next())
            .header("Cookie", cookie)
            .header("Authorization", format!("Bearer {JWT}"));
        exchange.request_headers.push((next(), next()));
        let types = [
            "application/json",
            "application/x-www-form-urlencoded",
            "text/plain",
            "multipart/form-data; boundary=b",
        ];
        let (mut kind, mut body) = (types[choice(2) / 8 % types.len()], next());
        let (app, proto) = (next(), next());

        let hide = encodings::all(&secret);
        let [percent, json, sub, basic] = hide;
        match place {
            0 => exchange = exchange.header("X-Secret", &secret),
            1 => exchange = exchange.header("Cookie", format!("k={secret}")),
            2 => exchange.query.splice(..0, format!("pin={percent}&").into_bytes()).for_each(drop),
            3 => {
                exchange.path =
                    [b"/p/".as_slice(), percent.as_bytes(), b"/", &exchange.path].concat()
            }
            4 => {
                (kind, body) = (
                    "application/json",
                    [b"{\"pin\":\"".as_slice(), json.as_bytes(), b"\",\"x\":", &body].concat(),
                )
            }
            5 => {
                (kind, body) =
                    (types[1], [b"pin=".as_slice(), percent.as_bytes(), b"&", &body].concat())
            }
            6 => {
                kind = types[3];
                let head =
                    b"--b\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\n".as_slice();
                body = [head, secret.as_bytes(), b"\r\n--b\r\n", &body].concat();
            }
            7 => exchange = exchange.header("X-Token", sub),
            8 => exchange = exchange.header("X-Basic", basic),
            9 => exchange = exchange.answered("X-Secret", &secret),
            _ => {
                exchange = exchange.header("Cookie", format!("one={secret}; TWO=x"));
                exchange.variables.insert(0, format!("{secret}:x").into_bytes());
            }
        }
        let exchange = exchange.body(kind, body);
        let hidden = keys
            .iter()
            .map(|key| &key.point)
            .chain(params.iter().map(|param| &param.point))
            .chain(&masks);
        let hidden = hidden.into_iter().find(|hidden| hidden.as_str() == point)?;
        let mut scratch = Scratch::default();
        let read = hidden.read(&exchange, &mut scratch)?;
        // A part of a composite value that is shorter is no secret by itself.
        let is_read = read == secret.as_bytes() || place == POINTS.len() - 1 && secret.len() >= 8;
        is_read.then(|| Self {
            exchange,
            point: point.into(),
            secret,
            keys,
            params,
            masks,
            builtin: choice(2) & 32 == 0,
            app,
            proto,
        })
    }
}

impl Request {
    /// The first line, as it was sent.
    pub fn line(&self) -> Vec<u8> {
        let exchange = &self.exchange;
        let mark = if exchange.query.is_empty() { b"".as_slice() } else { b"?" };
        let space = if self.proto.is_empty() { b"".as_slice() } else { b" " };
        [
            &exchange.method,
            b" ".as_slice(),
            &exchange.path,
            mark,
            &exchange.query,
            space,
            &self.proto,
        ]
        .concat()
    }
}

fn param(point: Point, kind: ParamType, hash: bool) -> ContextParam {
    ContextParam { point, name: "param".into(), kind, hash }
}
