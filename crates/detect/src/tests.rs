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
