use super::*;
use crate::Scratch;
use crate::testing::FakeExchange;

fn found(exchange: &FakeExchange) -> Option<(&'static str, String)> {
    let mut value = Vec::new();
    let entry = find(exchange, &mut Scratch::default(), &mut value)?;
    Some((entry.name, String::from_utf8(value).unwrap()))
}

fn cookie(text: &str) -> Option<(&'static str, String)> {
    found(&FakeExchange::get("/").header("Cookie", text))
}

fn jwt(payload: &str) -> String {
    use base64::Engine;
    let part = |text| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"none"}"#), part(payload), part("signature"))
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn bearer(payload: &str) -> FakeExchange {
    FakeExchange::get("/").header("Authorization", format!("Bearer {}", jwt(payload)))
}

#[test]
fn every_entry_finds_its_value() {
    for entry in TABLE {
        let value = "0123456789abcdef";
        let exchange = match entry.rule {
            Rule::Header(name) => FakeExchange::get("/").header(name, value),
            Rule::Cookie(name) => {
                FakeExchange::get("/").header("cookie", format!("{}={value}", name.to_uppercase()))
            }
            Rule::CookieExact(name) | Rule::CookieExcept { name, .. } => {
                FakeExchange::get("/").header("cookie", format!("{name}={value}"))
            }
            Rule::CookieLike { .. } => {
                let name = match entry.name {
                    "JSESSIONID.*" => "JSESSIONID.1a2b3c4d",
                    "SESS<32 hex>" => "SSESS0123456789abcdef0123456789abcdef",
                    "ASPSESSIONID<8 capitals>" => "ASPSESSIONIDQACSTBBC",
                    "wordpress_logged_in_*" => "wordpress_logged_in_1a2b",
                    "wp_woocommerce_session_*" => "wp_woocommerce_session_0123456789abcdef",
                    "phpbb*_sid" => "phpbb3_ab12c_sid",
                    "SAP_SESSIONID_*" => "SAP_SESSIONID_LQI_123",
                    "oc<10 or more>" => "ocqx5m6nx2xn",
                    "<32 hex>" => "0123456789abcdef0123456789abcdef",
                    _ => "wikidb_session",
                };
                FakeExchange::get("/").header("cookie", format!("{name}={value}"))
            }
            Rule::CookiePair(one, two) => {
                FakeExchange::get("/").header("cookie", format!("{one}={value}; {two}={value}"))
            }
            Rule::JwtSid => bearer(r#"{"iss":"i","sid":"0123456789abcdef"}"#),
            Rule::OpaqueAuthorization => {
                FakeExchange::get("/").header("authorization", format!("Token {value}"))
            }
            Rule::JwtSub => bearer(r#"{"iss":"i","azp":"a","sub":"0123456789abcdef"}"#),
            Rule::ApiKeyAuthorization => {
                FakeExchange::get("/").header("authorization", format!("ApiKey {value}"))
            }
            Rule::BasicUser => FakeExchange::get("/")
                .header("authorization", format!("Basic {}", base64(&format!("{value}:password")))),
            Rule::PathParameter(name) => FakeExchange::get(&format!("/a;x=1;{name}={value}/b")),
            Rule::Query(name) => FakeExchange::get(&format!("/?a=1&{name}={value}")),
        };
        let (name, got) =
            found(&exchange).unwrap_or_else(|| panic!("{} finds nothing", entry.name));
        // No entry is shadowed by an earlier one.
        assert_eq!(name, entry.name);
        assert!(got.contains(value), "{got}");
    }
}

#[test]
fn entries_are_tried_in_the_order_of_the_table() {
    let (name, _) = cookie("sid=generic-generic; JSESSIONID=distinct-distinct").unwrap();
    assert_eq!(name, "JSESSIONID");
    let exchange = FakeExchange::get("/?sid=in-the-query").header("X-Session-Id", "in-a-header");
    assert_eq!(found(&exchange).unwrap().0, "X-Session-Id");
    // Anybody can forge a header.
    let exchange = exchange.header("Cookie", "session_id=in-a-generic-cookie");
    assert_eq!(found(&exchange).unwrap().0, "session_id");
    assert!(TABLE.is_sorted_by_key(|entry| entry.group));
}

#[test]
fn prefixes_are_looked_through_and_names_have_no_case() {
    assert_eq!(cookie("__Host-phpsessid=0123456789").unwrap().0, "PHPSESSID");
    assert_eq!(cookie("__secure-PHPSESSID=0123456789").unwrap().0, "PHPSESSID");
}

#[test]
fn a_fail_over_does_not_split_a_session() {
    let one = cookie("JSESSIONID=0123456789ABCDEF.node1").unwrap();
    assert_eq!(one, cookie("JSESSIONID=0123456789ABCDEF!-123!456").unwrap());
    assert_eq!(one.1, "0123456789ABCDEF");
}

#[test]
fn connect_sid_loses_its_signature() {
    let plain = cookie("connect.sid=s:abcdefgh12345678.signature").unwrap();
    assert_eq!(plain.1, "abcdefgh12345678");
    assert_eq!(plain, cookie("connect.sid=s%3Aabcdefgh12345678.other").unwrap());
}

#[test]
fn placeholders_and_odd_lengths_are_no_session() {
    for value in ["", "short", "undefined", "UNDEFINED", "anonymous", "null", "deleted"] {
        assert_eq!(cookie(&format!("PHPSESSID={value}")), None, "{value}");
    }
    assert_eq!(cookie(&format!("PHPSESSID={}", "x".repeat(4097))), None);
    // Then the next entry is tried.
    let next = cookie("PHPSESSID=undefined; sid=0123456789").unwrap();
    assert_eq!(next, ("sid", "0123456789".to_owned()));
}

#[test]
fn the_first_of_two_cookies_of_one_name_counts() {
    assert_eq!(cookie("PHPSESSID=first-first; PHPSESSID=second-second").unwrap().1, "first-first");
}

#[test]
fn cfid_and_cftoken_count_as_a_pair_alone() {
    assert_eq!(cookie("CFID=1234567890"), None);
    assert_eq!(cookie("CFTOKEN=1; CFID=123456789").unwrap().1, "123456789:1");
    for pair in
        ["CFID=0;CFTOKEN=deleted", "CFID=;CFTOKEN=0123456789", "CFID=123456789; CFTOKEN=Null"]
    {
        assert_eq!(cookie(pair), None, "{pair}");
    }
}

#[test]
fn users_behind_one_address_were_merged_for_ten_of_twelve_issuers() {
    let label = |payload: &str| found(&bearer(payload));
    for (payload, name, value) in [
        (r#"{"sid":"0123456789"}"#, "jwt.sid", "\n0123456789"),
        (r#"{"iss":"i","sub":"u"}"#, "jwt.sub", "i\n\nu"),
        (r#"{"iss":"i","aud":"p1","user_id":"u","sub":"u"}"#, "jwt.sub", "i\np1\nu"),
        (r#"{"iss":"i","aud":"a","sub":"u","session_id":"s-1"}"#, "jwt.sid", "i\ns-1"),
        (r#"{"iss":"o","aud":"x","cid":"0oa1","uid":"1","sub":"u"}"#, "jwt.sub", "o\n0oa1\nu"),
        (r#"{"iss":"z","aud":"x","appid":"app","oid":"u"}"#, "jwt.sub", "z\napp\nu"),
        (r#"{"aud":["1","2"],"jti":"x","sub":"u"}"#, "jwt.sub", "\n1\nu"),
        (r#"{"token_type":"access","jti":"x","user_id":7}"#, "jwt.sub", "\n\n7"),
        (r#"{"id":"u"}"#, "jwt.sub", "\n\nu"),
        (r#"{"iss":"i","sub":"u","auth_time":17,"azp":"a"}"#, "jwt.sid", "i\nu\n17"),
        (r#"{"iss":"i","sub":"u","session_state":"st","sid":"s"}"#, "jwt.sid", "i\ns"),
        (r#"{"iss":"i","sub":"u","origin_jti":"o"}"#, "jwt.sid", "i\no"),
    ] {
        assert_eq!(label(payload), Some((name, value.to_owned())), "{payload}");
    }
    assert_eq!(label(r#"{"iss":"i","jti":"0123456789"}"#), None);
    let both = r#"{"iss":"issuer","client_id":"c","sub":"u","sid":"s"}"#;
    assert_eq!(found(&bearer(both)).unwrap(), ("jwt.sid", "issuer\ns".to_owned()));
}

#[test]
fn claims_that_stand_for_nothing_became_keys() {
    for payload in [
        r#"{"iss":"https://issuer.example","sid":"null"}"#,
        r#"{"iss":"https://issuer.example","sid":"0"}"#,
        r#"{"iss":"https://issuer.example","sid":0}"#,
        r#"{"iss":"https://issuer.example","sid":" None "}"#,
        r#"{"iss":"https://issuer.example","azp":"app","sub":"anonymous"}"#,
    ] {
        assert_eq!(found(&bearer(payload)), None, "{payload}");
    }
    // A user's short number is not a placeholder.
    let user = r#"{"iss":"https://issuer.example","azp":"-","client_id":"app","sub":1041}"#;
    let expected = "https://issuer.example\napp\n1041".to_owned();
    assert_eq!(found(&bearer(user)), Some(("jwt.sub", expected)));
    let user = r#"{"iss":"null","azp":"undefined","sub":1041}"#;
    assert_eq!(found(&bearer(user)), Some(("jwt.sub", "\n\n1041".to_owned())));
    let long = format!(r#"{{"iss":"i","sid":"{}"}}"#, "x".repeat(4096));
    assert_eq!(found(&bearer(&long)), None);
}

#[test]
fn a_raw_jwt_is_never_a_key() {
    let token = jwt(r#"{"scope":"read","jti":"0123456789"}"#);
    assert_eq!(found(&bearer(r#"{"scope":"read","jti":"0123456789"}"#)), None);
    for (header, value) in [
        ("X-Auth-Token", token.clone()),
        ("X-Access-Token", format!("Bearer {token}")),
        ("X-Session-Token", token.clone()),
        ("Cookie", format!("__session={token}")),
        ("Cookie", format!("JSESSIONID={token}")),
        ("Cookie", format!("connect.sid={token}")),
    ] {
        assert_eq!(
            found(&FakeExchange::get("/").header(header, &value)),
            None,
            "{header}: {value}"
        );
    }
    for target in [format!("/?access_token={token}"), format!("/a;jsessionid={token}")] {
        assert_eq!(found(&FakeExchange::get(&target)), None, "{target}");
    }
}

#[test]
fn of_two_cookies_with_a_jwt_the_second_was_not_looked_at() {
    let without = jwt(r#"{"jti":"nobody"}"#);
    let with = jwt(r#"{"iss":"issuer","sid":"0123456789"}"#);
    let expected = Some(("jwt.sid", "issuer\n0123456789".to_owned()));
    assert_eq!(cookie(&format!("id={without}; x={with}")), expected);
    let split = FakeExchange::get("/")
        .header("Authorization", format!("Bearer {without}"))
        .header("Cookie", format!("id={without}"))
        .header("Cookie", format!("x={with}"));
    assert_eq!(found(&split), expected);
}

#[test]
fn a_session_in_the_path_did_not_meet_the_one_in_the_cookie() {
    let expected = cookie("JSESSIONID=0123456789ABCDEF.node1").unwrap().1;
    for target in [
        "/a;jsessionid=0123456789ABCDEF",
        "/a;jsessionid=0123456789ABCDEF.node1/b",
        "/a;JSESSIONID=0123456789ABCDEF!1",
        "/a;jsessionid=%30123456789ABCDE%46.node2",
    ] {
        assert_eq!(found(&FakeExchange::get(target)).unwrap(), (";jsessionid=", expected.clone()));
    }
}

#[test]
fn session_id_has_its_own_place_by_its_spelling() {
    assert_eq!(cookie("sessionid=0123456789").unwrap().0, "sessionid");
    assert_eq!(cookie("SESSIONID=0123456789").unwrap().0, "sessionid");
    assert_eq!(cookie("__Host-sessionId=0123456789").unwrap().0, "sessionId");
}

#[test]
fn a_cookie_that_is_there_twice_is_noticed() {
    let repeated = |text: &str| {
        let exchange = FakeExchange::get("/").header("Cookie", text);
        let entry = find(&exchange, &mut Scratch::default(), &mut Vec::new()).unwrap();
        is_repeated(&exchange, entry)
    };
    for text in [
        "PHPSESSID=first-first; PHPSESSID=second-second",
        "PHPSESSID=first-first; a=b; __Host-phpsessid=first-first",
        "wordpress_logged_in_1=first-first; wordpress_logged_in_1=second-second",
        "CFID=123456789; CFTOKEN=987654321; CFTOKEN=1",
    ] {
        assert!(repeated(text), "{text}");
    }
    for text in [
        "PHPSESSID=first-first; sid=second-second; sid=second-second",
        "wordpress_logged_in_1=first-first; wordpress_logged_in_2=second-second",
        "CFID=123456789; CFTOKEN=987654321",
        "sessionid=first-first; sessionId=second-second",
        "sid=first-first; SID=second-second",
    ] {
        assert!(!repeated(text), "{text}");
    }
    let header =
        FakeExchange::get("/").header("X-Session-Id", "0123456789").header("Cookie", "a=b; a=b");
    let entry = find(&header, &mut Scratch::default(), &mut Vec::new()).unwrap();
    assert!(!is_repeated(&header, entry));
}

#[test]
fn what_is_never_a_key_is_none() {
    let never = "XSRF-TOKEN csrftoken _csrf ci_csrf_token __RequestVerificationToken _ga _gid __utma \
        _pk_id.1 _fbp _gcl_au _clck _clsk _uetsid rl_session sbjs_session matomo_sessid ttcsid \
        taboola_session_id svSession mp_x_mixpanel amplitude_id intercom-session-x __cf_bm _cfuvid \
        cf_clearance _abck ak_bmsc bm_sz datadome reese84 _px3 incap_ses_1 visid_incap_1 nlbi_1 TS01a \
        aws-waf-token AWSALB AWSELB ARRAffinity BIGipServerpool route SERVERID INGRESSCOOKIE SID HSID \
        SSID APISID NID laravel_session ci_session rack.session _rails_session PLAY_SESSION koa.sess \
        next-auth.session-token .AspNetCore.Cookies .ASPXAUTH _oauth2_proxy my_session my-session";
    for name in never.split_whitespace() {
        assert_eq!(cookie(&format!("{name}=0123456789abcdef")), None, "{name}");
    }
    for name in ["X-Request-Id", "traceparent", "X-B3-TraceId", "Idempotency-Key"] {
        assert_eq!(found(&FakeExchange::get("/").header(name, "0123456789abcdef")), None, "{name}");
    }
}

#[test]
fn a_made_up_spelling_outranked_the_cookie() {
    for text in [
        "phpsessid=bogusbogus1; PHPSESSID=real-real-real",
        "__Host-PHPSESSID=bogusbogus1; PHPSESSID=real-real-real",
        "phpsessid=bogusbogus1; __Host-PHPSESSID=real-real-real",
    ] {
        assert_eq!(cookie(text).unwrap().1, "real-real-real", "{text}");
    }
    let exchange = FakeExchange::get("/")
        .header("Mcp-Session-Id", "bogusbogus1")
        .header("Cookie", "PHPSESSID=real-real-real");
    assert_eq!(found(&exchange).unwrap().0, "PHPSESSID");
}

#[test]
fn state_in_a_cookie_made_a_session_of_each_request() {
    let state = format!("{}.{}", base64(r#"{"userId":"64af","n":1}"#), "s".repeat(43));
    for name in ["__session", "session", "sessionid", "PHPSESSID"] {
        assert_eq!(cookie(&format!("{name}={state}")), None, "{name}");
        let next = cookie(&format!("{name}={state}; sid=0123456789")).unwrap();
        assert_eq!(next.0, "sid", "{name}");
    }
    assert_eq!(cookie("session=0123456789abcdef").unwrap().0, "session");
    let sealed = "eyJhbGciOiJkaXIifQ..0123456789abcdef.0123456789abcdef.0123456789abcdef";
    let exchange = FakeExchange::get("/").header("Authorization", format!("Bearer {sealed}"));
    assert_eq!(found(&exchange), None);
}

#[test]
fn tokens_of_any_scheme_and_of_supabase_are_read() {
    let token = jwt(r#"{"iss":"i","session_id":"s-1"}"#);
    let expected = Some(("jwt.sid", "i\ns-1".to_owned()));
    for value in
        [format!("DPoP {token}"), format!("JWT {token}"), format!("Token {token}"), token.clone()]
    {
        let exchange = FakeExchange::get("/").header("Authorization", &value);
        assert_eq!(found(&exchange), expected, "{value}");
    }
    let session =
        base64(&format!(r#"{{"access_token":"{token}","token_type":"bearer","user":1}}"#));
    let whole = format!("sb-project-auth-token=base64-{}", session.trim_end_matches('='));
    assert_eq!(cookie(&whole), expected);
    let cut = whole.len() - 9;
    let (one, two) = whole.split_at(cut);
    let one = one.replace("auth-token=", "auth-token.0=");
    assert_eq!(cookie(&format!("{one}; sb-project-auth-token.1={two}")), expected);
}

#[test]
fn clients_come_below_all_sessions() {
    let exchange = FakeExchange::get("/?sid=in-the-query").header("X-API-Key", "key-of-a-client");
    assert_eq!(found(&exchange).unwrap().0, "?sid=");
    let alice =
        FakeExchange::get("/").header("Authorization", format!("Basic {}", base64("al:pw")));
    assert_eq!(found(&alice).unwrap(), ("Authorization: Basic", "basic\nal".to_owned()));
    let token =
        FakeExchange::get("/").header("Authorization", format!("Basic {}", base64(":token")));
    assert_eq!(found(&token).unwrap().1, "basic\n:token");
    assert!(TABLE.iter().filter(|entry| entry.is_client()).count() == 4);
}

#[test]
fn any_identifier_in_a_request_is_handed_out() {
    let all = |exchange: &FakeExchange| {
        let mut all = Vec::new();
        each(exchange, &mut Scratch::default(), &mut |_, value| {
            all.push(String::from_utf8_lossy(value).into_owned());
        });
        all
    };
    let real = "real,real0123456789";
    for exchange in [
        FakeExchange::get("/").header("Cookie", format!("phpsessid=bogusbogus1; PHPSESSID={real}")),
        FakeExchange::get("/").header("Cookie", format!("PHPSESSID=bogusbogus1; PHPSESSID={real}")),
        FakeExchange::get("/").header("Cookie", "PHPSESSID=%72eal%2creal0123456789"),
        FakeExchange::get("/")
            .header("Mcp-Session-Id", "bogusbogus1")
            .header("Mcp-Session-Id", real),
        FakeExchange::get("/")
            .header("Authorization", format!("Bearer {real}"))
            .header("Cookie", "sid=bogusbogus"),
        FakeExchange::get(&format!("/?sid=bogusbogus1&sid={real}")),
        FakeExchange::get(&format!("/;jsessionid=bogusbogus1;jsessionid={real}")),
    ] {
        assert!(all(&exchange).iter().any(|value| value == real), "{exchange:?}");
    }
    // Denied in the encoded form that one client sends; another client sends it decoded.
    let decoded = FakeExchange::get("/").header("Cookie", format!("PHPSESSID={real}"));
    assert!(all(&decoded).contains(&"real%2Creal0123456789".to_owned()));
    let both = bearer(r#"{"iss":"i","sub":"user-1","sid":"sid-1234567"}"#)
        .header("Cookie", "PHPSESSID=bogusbogus77");
    let both = all(&both);
    assert!(
        both.contains(&"i\nsid-1234567".to_owned()) && both.contains(&"i\n\nuser-1".to_owned())
    );
}
