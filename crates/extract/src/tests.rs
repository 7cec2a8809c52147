use proptest::prelude::*;

use super::testing::{AnyVariables, FakeExchange};
use super::*;
use crate::limits::MAX_VALUE_BYTES;

fn read(point: &str, exchange: &FakeExchange) -> Option<String> {
    let point = Point::parse(point, &mut AnyVariables::default()).unwrap_or_else(|e| panic!("{e}"));
    let mut scratch = Scratch::default();
    point.read(exchange, &mut scratch).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn assert_reads(exchange: &FakeExchange, cases: &[(&str, Option<&str>)]) {
    for (point, expected) in cases {
        assert_eq!(read(point, exchange).as_deref(), *expected, "{point}");
    }
}

#[test]
fn headers() {
    let exchange = FakeExchange::get("/")
        .header("X-Sid", " one ")
        .header("x-sid", "two")
        .header("X-Empty", "  ")
        .answered("X-Request-Cost", "7");
    assert_reads(
        &exchange,
        &[
            ("request.header.x-SID", Some("one")),
            ("request.header.X-Sid[1]", Some("two")),
            ("request.header.X-Sid[2]", None),
            ("request.header[\"X-Sid\"]", Some("one")),
            ("request.header.X-Empty", None),
            ("request.header.X-Request-Cost", None),
            ("response.header.x-request-cost", Some("7")),
        ],
    );
}

#[test]
fn cookies() {
    let exchange = FakeExchange::get("/")
        .header("Cookie", "a=1; sid=\"quoted\"; Sid=other; ASP.NET_SessionId=dot")
        .header("Cookie", "b=2;sid=second")
        .answered("Set-Cookie", "sid=fresh; Path=/; HttpOnly");
    assert_reads(
        &exchange,
        &[
            ("request.cookie.sid", Some("quoted")),
            ("request.cookie.Sid", Some("other")),
            ("request.cookie.b", Some("2")),
            ("request.cookie[\"ASP.NET_SessionId\"]", Some("dot")),
            ("request.cookie.none", None),
            ("response.cookie.sid", Some("fresh")),
            ("response.cookie.Path", None),
        ],
    );
}

#[test]
fn query_and_path() {
    let exchange = FakeExchange::get("/users/4%202/x?a=1&b=x+y%21&a=2&c[d]=php&%65=enc&flag&z=%zz");
    assert_reads(
        &exchange,
        &[
            ("request.query.a", Some("1")),
            ("request.query.a[1]", Some("2")),
            ("request.query.b", Some("x y!")),
            ("request.query[\"c[d]\"]", Some("php")),
            ("request.query.e", Some("enc")),
            ("request.query.flag", None),
            ("request.query.z", Some("%zz")),
            ("request.path[0]", Some("users")),
            ("request.path[1]", Some("4 2")),
            ("request.path[3]", None),
            ("request.method", Some("GET")),
            ("request.ip", Some("192.0.2.1")),
        ],
    );
}

#[test]
fn the_fingerprint_of_tls() {
    assert_reads(&FakeExchange::get("/"), &[("request.tls.ja4", None)]);
    let ja4 = Some([b"plain".to_vec(), b"stable".to_vec()]);
    let expected = [("request.tls.ja4", Some("plain")), ("request.tls.ja4_stable", Some("stable"))];
    assert_reads(&FakeExchange { ja4, ..FakeExchange::get("/") }, &expected);
}

#[test]
fn bodies() {
    let form = FakeExchange::get("/")
        .body("application/x-www-form-urlencoded; charset=utf-8", "user=J+D&pass=x%26y");
    assert_reads(
        &form,
        &[
            ("request.body.form.user", Some("J D")),
            ("request.body.form.pass", Some("x&y")),
            ("request.body.json.user", None),
        ],
    );
    let json =
        FakeExchange::get("/").body("application/vnd.api+json", r#"{"a":{"b":[0,"v"]},"json":1}"#);
    assert_reads(
        &json,
        &[
            ("request.body.json.a.b[1]", Some("v")),
            ("request.body.json[\"a\"].b[0]", Some("0")),
            ("request.body.json.json", Some("1")),
            ("request.body.form.a", None),
            ("response.body.json.a", None),
        ],
    );
    let multipart = FakeExchange::get("/").body(
        "multipart/form-data; boundary=\"b;1\"",
        "--b;1\r\nContent-Disposition: form-data; name=\"f\"; filename=\"name=x\"\r\n\r\nfile\r\n\
         --b;1\r\ncontent-disposition: form-data; name=\"x;y\"\r\n\r\nvalue\r\n--b;1--\r\n",
    );
    assert_reads(
        &multipart,
        &[("request.body.multipart[\"x;y\"]", Some("value")), ("request.body.multipart.f", None)],
    );
}

#[test]
fn decoders() {
    // {"alg":"HS256"} . {"sub":"u1","ctx":{"r":["admin"]}} . signature
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSIsImN0eCI6eyJyIjpbImFkbWluIl19fQ.c2ln";
    let exchange = FakeExchange::get("/?t=aGVsbG8&j=eyJhIjoiJTQxIn0=")
        .header("Authorization", format!("Bearer {jwt}"))
        .header("Proxy-Authorization", "basic dXNlcjpwYTpzcw==")
        .header("X-Token", jwt)
        .body("application/json", format!(r#"{{"token":"{jwt}"}}"#));
    assert_reads(
        &exchange,
        &[
            ("request.header.Authorization.bearer", Some(jwt)),
            ("request.header.Authorization.jwt.payload.sub", Some("u1")),
            ("request.header.Authorization.jwt.header.alg", Some("HS256")),
            ("request.header.X-Token.jwt.payload.ctx.r[0]", Some("admin")),
            ("request.body.json.token.jwt.payload.sub", Some("u1")),
            ("request.header.Proxy-Authorization.basic.user", Some("user")),
            ("request.header.X-Token.bearer", None),
            ("request.query.t.base64", Some("hello")),
            ("request.query.j.base64.json.a.urldecode", Some("A")),
            ("request.query.t.jwt.payload.sub", None),
        ],
    );
}

#[test]
fn complex_values_are_the_servers() {
    let mut exchange = FakeExchange::get("/");
    exchange.variables.insert(0, b" v ".to_vec());
    assert_eq!(read("$cookie_a-$arg_b", &exchange).as_deref(), Some("v"));
}

#[test]
fn wrong_points_name_the_word_and_what_is_accepted() {
    for (text, word, accepted) in [
        ("", "", "empty"),
        ("requst.header.X", "requst", "\"request\""),
        ("request.headers.X", "headers", "\"header\""),
        ("request.header", "header", "name of a header"),
        ("request.path", "path", "[number]"),
        ("request.body.xml.a", "xml", "\"json\""),
        ("request.body.json", "json", "a path"),
        ("request.header.A.rot13", "rot13", "\"base64\""),
        ("request.header.A.jwt.signature.x", "signature", "\"payload\""),
        ("response.ip", "ip", "\"status\""),
        ("request.query.a b", "character at 15", "\".\""),
        ("request.query[\"a]", "13", "[\"text\"]"),
        ("request..x", "8", "name"),
    ] {
        let error = Point::parse(text, &mut AnyVariables::default()).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains(accepted), "{text}: {error}");
    }
}

#[test]
fn a_multipart_boundary_followed_by_blanks_found_nothing() {
    let exchange = FakeExchange::get("/").body(
        "multipart/form-data; boundary=X",
        "--X \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n\
         --X\t\r\nContent-Disposition: form-data; name=b\r\n\r\n2\r\n--X-- \r\n",
    );
    assert_reads(
        &exchange,
        &[("request.body.multipart.a", Some("1")), ("request.body.multipart.b", Some("2"))],
    );
}

#[test]
fn whole_credentials_are_known() {
    let whole = |text| Point::parse(text, &mut NoVariables).unwrap().is_whole_credential();
    assert!(whole("request.header.authorization"));
    assert!(whole("request.header.Cookie"));
    assert!(whole("response.header.Set-Cookie"));
    assert!(whole("request.header.X-Auth.bearer"));
    assert!(!whole("request.header.Authorization.jwt.payload.sub"));
    assert!(!whole("request.cookie.a"));
}

#[test]
fn a_credential_passed_for_none_behind_a_decoder_that_leaves_it_whole() {
    let whole = |text| Point::parse(text, &mut NoVariables).unwrap().is_whole_credential();
    for text in [
        "request.header.Authorization.urldecode",
        "request.header.Authorization.base64",
        "request.header.X.bearer.urldecode",
        "request.body.json.a.json.b.bearer.base64",
    ] {
        assert!(whole(text), "{text}");
    }
    for text in [
        "request.header.Authorization.basic.user",
        "request.header.Authorization.bearer.jwt.payload.sub",
        "request.header.Authorization.base64.json.user.urldecode",
    ] {
        assert!(!whole(text), "{text}");
    }
}

#[test]
fn a_credential_passed_for_none_through_a_variable() {
    let whole =
        |text| Point::parse(text, &mut AnyVariables::default()).unwrap().is_whole_credential();
    for text in [
        "$http_authorization",
        "$HTTP_Authorization",
        "${http_authorization}",
        "x $http_authorization",
        "$host-$http_cookie-x",
        "$http_proxy_authorization",
        "$sent_http_set_cookie",
        "$upstream_http_set_cookie",
    ] {
        assert!(whole(text), "{text}");
    }
    for text in ["$cookie_a", "$http_authorization_kind", "$host", "$arg_http_cookie", "$http_x"] {
        assert!(!whole(text), "{text}");
    }
}

#[test]
fn a_header_name_that_no_request_can_carry_is_refused() {
    for (text, word) in [
        ("request.header.Exämple", "Exämple"),
        ("response.header[\"a b\"]", "a b"),
        ("request.header[\"a:\"].base64", "a:"),
    ] {
        let error = Point::parse(text, &mut NoVariables).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("letters, digits"), "{text}: {error}");
    }
    assert!(Point::parse("request.header.X_!#$%&'*+^`|~-9", &mut AnyVariables::default()).is_ok());
    assert!(Point::parse("request.header[\"x.y\"]", &mut NoVariables).is_ok());
}

#[test]
fn needs_say_what_must_have_been_seen() {
    let needs = |text| Point::parse(text, &mut NoVariables).unwrap().needs();
    assert_eq!(needs("request.header.a"), Needs::default());
    assert!(needs("request.body.form.a").request_body);
    assert!(needs("response.status").response);
    assert!(needs("response.body.json.a").response_body);
}

proptest! {
    #[test]
    fn any_text_parses_or_says_why(text in ".{0,60}") {
        if let Err(error) = Point::parse(&text, &mut AnyVariables::default()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn text_made_of_the_grammars_words_never_panics(
        words in prop::collection::vec(
            prop::sample::select(vec!["request", "response", "body", "json", "header", "cookie", "path",
                "query", "[0]", "[\"a.b\"]", ".", "jwt", "payload", "base64", "x", "[", "]", "\""]), 0..12)
    ) {
        let _ = Point::parse(&words.concat(), &mut AnyVariables::default());
        let _ = Point::parse(&words.join("."), &mut AnyVariables::default());
    }

    #[test]
    fn any_exchange_is_read_within_the_limits(
        value in prop::collection::vec(any::<u8>(), 0..300),
        kind in prop::sample::select(vec!["application/json", "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=a"]),
    ) {
        let mut exchange = FakeExchange::get("/").header("cookie", &value).header("authorization", &value)
            .body(kind, &value);
        exchange.query = value.clone();
        exchange.path = value.clone();
        for text in ["request.cookie.a", "request.query.a.base64.json.b", "request.path[0]",
            "request.header.authorization.jwt.payload.sub", "request.header.authorization.basic.user",
            "request.body.json.a[0]", "request.body.form.a", "request.body.multipart.a"] {
            if let Some(value) = read(text, &exchange) {
                prop_assert!(!value.is_empty() && value.len() <= 3 * MAX_VALUE_BYTES);
            }
        }
    }

    #[test]
    fn percent_encoding_round_trips(value in "[ -~]{1,40}") {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let exchange = FakeExchange::get(&format!("/?v={encoded}"));
        prop_assert_eq!(read("request.query.v", &exchange), Some(value.trim().to_owned()).filter(|v| !v.is_empty()));
    }
}

#[test]
fn a_pattern_is_the_end_of_a_name_of_a_cookie_or_header() {
    let read = |text: &str, exchange: &FakeExchange| {
        let point = Point::parse(text, &mut NoVariables).unwrap();
        point.read(exchange, &mut Scratch::default()).map(<[u8]>::to_vec)
    };
    let exchange = FakeExchange::get("/")
        .header("X-Tenant-Id", "t1")
        .header("Cookie", "other=1; ocqx5m6nx2xn=value; oc2=next; a*=literal");
    assert_eq!(read("request.cookie.oc*", &exchange).unwrap(), b"value");
    assert_eq!(read("request.header.x-tenant-*", &exchange).unwrap(), b"t1");
    assert_eq!(read("request.cookie[\"a*\"]", &exchange).unwrap(), b"literal");
    assert_eq!(read("request.cookie.none*", &exchange), None);
    for text in [
        "request.cookie.*",
        "request.cookie.a*b",
        "request.cookie.~^oc",
        "request.query.a*",
        "request.body.json.a*",
        "response.cookie.a*",
        "response.header.x-*",
    ] {
        let error = Point::parse(text, &mut NoVariables).unwrap_err().to_string();
        assert!(error.contains("pattern") && error.contains("request.cookie"), "{text}: {error}");
    }
}

#[test]
fn the_longest_literal_part_of_patterns_comes_first() {
    let key = |text: &str| SessionKey {
        point: Point::parse(text, &mut NoVariables).unwrap(),
        name: text.to_owned(),
        export: KeyExport::Hashed,
    };
    let written =
        ["request.cookie.o*", "request.header.x", "request.cookie.oc*", "request.cookie.ocq*"];
    let mut keys: Vec<_> = written.into_iter().map(key).collect();
    longest_pattern_first(&mut keys);
    let order: Vec<_> = keys.iter().map(|key| &*key.name).collect();
    let expected =
        ["request.cookie.ocq*", "request.cookie.oc*", "request.cookie.o*", "request.header.x"];
    assert_eq!(order, expected);
}

#[test]
fn each_repetition_of_a_point_is_handed_out() {
    let exchange = FakeExchange::get("/?k=bogus&k=real")
        .header("A", "bogus")
        .header("a", "Bearer real")
        .header("Cookie", "c=bogus; c=%72eal");
    for text in
        ["request.header.a.bearer", "request.cookie.c", "request.cookie.c*", "request.query.k"]
    {
        let mut all = Vec::new();
        let point = Point::parse(text, &mut NoVariables).unwrap();
        point.read_each(&exchange, &mut Scratch::default(), &mut |value| all.push(value.to_vec()));
        assert!(all.contains(&b"real".to_vec()), "{text}: {all:?}");
    }
}
