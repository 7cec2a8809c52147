use super::*;
use api_sessions_extract::testing::FakeExchange;

#[test]
fn types_have_names_and_unknown_ones_are_told_which() {
    for kind in AttackKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    let error = "sqlinjection".parse::<AttackKind>().unwrap_err().to_string();
    assert!(error.contains("\"sqlinjection\"") && error.contains("\"sqli\", \"xss\""), "{error}");
    assert_eq!(AttackKinds::all().iter().count(), AttackKind::ALL.len());
}

#[test]
fn nothing_is_looked_for_behind_the_last_finding() {
    let exchange = FakeExchange::get("/?a=<script>alert(1)</script>");
    let wanted = AttackKind::Xss.into();
    assert_eq!(detect(&exchange, wanted, &mut Workspace::default()), wanted);
}

#[test]
fn authorization_and_structured_headers_are_left_alone() {
    let exchange = FakeExchange::get("/")
        .header("Authorization", "Bearer ' OR 1=1 --")
        .header("Sec-CH-UA", "\"Chromium\";v=\"126\" <script>");
    assert!(detect(&exchange, AttackKinds::all(), &mut Workspace::default()).is_empty());
}

#[test]
fn a_finding_says_where_its_match_stands() {
    let exchange = FakeExchange::get("/?page=1&q=%3Cscript%3Ealert(1)%3C/script%3E")
        .header("Cookie", "theme=dark; v=..%2f..%2f..%2f..%2fetc%2fpasswd");
    let mut workspace = Workspace::default();
    let found = detect(&exchange, AttackKinds::all(), &mut workspace);
    let findings = workspace.findings();
    assert_eq!(findings.len(), found.iter().count());
    let of = |kind| findings.iter().find(|finding| finding.kind == kind).unwrap();
    let xss = of(AttackKind::Xss);
    assert_eq!((xss.source, xss.name.as_slice(), xss.in_name), (Source::Query, &b"q"[..], false));
    assert!(xss.text[xss.matched.clone()].starts_with(b"<script>"));
    let path = of(AttackKind::PathTraversal);
    assert_eq!((path.source.as_str(), path.name.as_slice()), ("cookie", &b"v"[..]));
    assert!(path.index > xss.index);

    // What was found before is gone with the next request.
    detect(&FakeExchange::get("/"), AttackKinds::all(), &mut workspace);
    assert!(workspace.findings().is_empty());
}
