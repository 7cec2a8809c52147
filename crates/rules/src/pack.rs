//! The default pack: rules that suit any application as a start, all in mode `monitor`.

use api_sessions_protocol::SessionRule;

/// Name, on, when, count, over and per.
type Row = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
    Option<&'static str>,
);

const PACK: [Row; 9] = [
    ("login-failures", Some("POST:/**"), Some("status=401,403"), None, "10/10m", None),
    (
        "many-users-one-address",
        Some("POST:/**"),
        Some("status=401,403;user=present"),
        Some("distinct:user"),
        "20/1h",
        Some("ip"),
    ),
    (
        "one-user-many-addresses",
        Some("POST:/**"),
        Some("status=401,403;user=present"),
        Some("distinct:request.ip"),
        "10/1h",
        Some("user"),
    ),
    (
        "objects-walked",
        Some("GET:/**"),
        Some("status=2xx"),
        Some("distinct:path"),
        "40/10m",
        Some("session+endpoint"),
    ),
    (
        "objects-guessed",
        None,
        Some("status=400,403,404,410,422"),
        Some("distinct:path"),
        "20/10m",
        Some("session+endpoint"),
    ),
    ("forced-browsing", None, Some("status=404"), Some("distinct:path"), "30/10m", None),
    ("scraping", None, None, Some("bytes_out"), "200m/1h", None),
    (
        "many-sessions-one-address",
        None,
        Some("session=new"),
        Some("distinct:session"),
        "100/10m",
        Some("ip"),
    ),
    ("conflicting-parameters", None, Some("parameters=conflicting"), None, "0/1m", None),
];

/// The rules of `session_rules default;`, in their documented order.
pub fn default_pack() -> Vec<SessionRule> {
    let some = |word: Option<&str>| word.map(str::to_owned);
    PACK.iter()
        .map(|(name, on, when, count, over, per)| SessionRule {
            name: (*name).to_owned(),
            on: some(*on),
            when: some(*when),
            count: some(*count),
            over: (*over).to_owned(),
            per: some(*per),
            then: Some("mark".to_owned()),
            mode: Some("monitor".to_owned()),
            fleet: None,
        })
        .collect()
}
