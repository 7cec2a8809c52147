//! The Console behind a proxy: its public address in links, redirects, cookies and the check of origins.

use api_sessions_cloud_config::options::Options;
use serde_json::json;

use crate::support::{Answer, Cloud, record, session};

const PUBLIC: &str = "https://console.example/sessions/";

fn public() -> Cloud {
    Cloud::start_configured(Options { public_url: Some(PUBLIC.into()), ..Options::default() })
}

fn trusting(proxy: &str) -> Cloud {
    Cloud::start_configured(Options { trusted_proxy: vec![proxy.into()], ..Options::default() })
}

const FORWARDED: [(&str, &str); 3] = [
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "console.example"),
    ("x-forwarded-prefix", "/sessions"),
];

/// A form as a browser posts it, which is logged in.
fn post(cloud: &Cloud, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
    let cookie = format!("api_sessions_token={}", cloud.admin);
    let own = [("content-type", "application/x-www-form-urlencoded"), ("cookie", &cookie)];
    cloud.send("POST", path, "", &[&own, headers].concat(), form.as_bytes())
}

fn login(cloud: &Cloud, headers: &[(&str, &str)]) -> Answer {
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let form = format!("token={}", cloud.admin);
    cloud.send("POST", "/login", "", &[&kind, headers].concat(), form.as_bytes())
}

/// Links of a page that leave `prefix`.
fn strays(page: &str, prefix: &str) -> Vec<String> {
    let targets = ["href=\"", "src=\"", "action=\""].into_iter().flat_map(|attribute| {
        page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next())
    });
    targets
        .filter(|target| !target.starts_with(prefix) && !target.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn links_left_the_sub_path_of_a_proxy() {
    let cloud = public();
    let first = cloud.get("/").text();
    assert!(first.contains("api_sessions_export https://console.example/sessions "), "{first}");
    cloud.post(&[record(1, 1, json!({"attacks": ["sqli"], "user": "ann"}))]);
    let deny = format!("session={}&seconds=", session(1));
    let own = [("origin", "https://console.example")];
    assert_eq!(post(&cloud, "/denylist", &deny, &own).status, 303);
    let pages = [
        "/",
        "/?user=x",
        "/users",
        "/endpoints?kind=probe",
        "/endpoints/neighbours?method=GET&endpoint=/users/{int}",
        "/keys",
        "/users/ann",
        "/denylist",
        "/denylist?from=1",
        "/parameters",
        "/nodes",
        "/login",
        &format!("/sessions/{}", session(1)),
        &format!("/requests/{:032x}", 1),
        "/requests/none",
    ];
    for path in pages {
        let page = cloud.get(path).text();
        assert_eq!(strays(&page, "/sessions/"), [""; 0], "{path}");
        assert!(page.contains("href=\"/sessions/style.css\""), "{path}");
    }
    assert_eq!(cloud.get("/sessions/none").status, 404);
}

#[test]
fn redirects_and_cookies_left_the_sub_path_of_a_proxy() {
    for (cloud, headers) in [(public(), &[][..]), (trusting("127.0.0.0/8"), &FORWARDED[..])] {
        let answer = login(&cloud, headers);
        assert_eq!((answer.status, answer.header("location")), (303, "/sessions/"));
        let cookie = answer.header("set-cookie");
        assert!(cookie.ends_with("; Path=/sessions/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
        let stranger = cloud.send("GET", "/nodes", "", headers, b"");
        assert_eq!(
            (stranger.status, stranger.header("location")),
            (303, "/sessions/login?next=%2Fnodes")
        );
        let form = format!("session={}&seconds=60", session(1));
        let own = [headers, &[("origin", "https://console.example")]].concat();
        let denied = post(&cloud, "/denylist", &form, &own);
        assert_eq!((denied.status, denied.header("location")), (303, "/sessions/denylist"));
        let out = post(&cloud, "/logout", "", &own);
        assert_eq!((out.status, out.header("location")), (303, "/sessions/login"));
        assert!(out.header("set-cookie").contains("Path=/sessions/;"));
    }
}

/// Where a login with this page to go to leads.
fn login_to(cloud: &Cloud, next: &str) -> String {
    let next: String = next.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let form = format!("token={}&next={next}", cloud.admin);
    let by_form = cloud.send("POST", "/login", "", &kind, form.as_bytes());
    let link = format!("/login?token={}&next={next}", cloud.admin);
    let by_link = cloud.send("GET", &link, "", &[], b"");
    assert_eq!((by_form.status, by_link.status), (303, 303));
    assert_eq!(by_form.header("location"), by_link.header("location"));
    by_form.header("location").to_owned()
}

#[test]
fn a_login_led_to_the_first_page_and_not_to_the_one_that_was_asked_for() {
    for (cloud, prefix) in [(Cloud::start(), ""), (public(), "/sessions")] {
        let asked = cloud.send("GET", "/denylist?from=1&to=%2F", "", &[], b"");
        let location = asked.header("location");
        assert_eq!(location, format!("{prefix}/login?next=%2Fdenylist%3Ffrom%3D1%26to%3D%252F"));
        let page = cloud.send("GET", location.strip_prefix(prefix).unwrap(), "", &[], b"").text();
        let kept = "name=\"next\" value=\"/denylist?from=1&amp;to=%2F\"";
        assert!(page.contains(kept), "{page}");
        // A wrong token first.
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let wrong = cloud.send("POST", "/login", "", &kind, b"token=x&next=%2Fdenylist");
        assert!(wrong.status == 401 && wrong.text().contains("value=\"/denylist\""));
        let next = "/denylist?from=1&to=%2F";
        assert_eq!(login_to(&cloud, next), format!("{prefix}{next}"));
        for elsewhere in [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "/\t/evil.example",
            "/../other",
            "/%2e%2e/other",
            "evil.example",
            "/login",
        ] {
            assert_eq!(login_to(&cloud, elsewhere), format!("{prefix}/"), "{elsewhere}");
        }
        // A form that is posted is no page.
        let posted = cloud.send("POST", "/denylist", "", &kind, b"session=x");
        assert_eq!(posted.header("location"), format!("{prefix}/login"));
    }
}

#[test]
fn denying_failed_behind_a_proxy_that_does_not_pass_the_host() {
    let url = Some("http://console.lan:8080".to_owned());
    let cloud = Cloud::start_configured(Options { public_url: url, ..Options::default() });
    let form = format!("session={}&seconds=60", session(1));
    // NGINX's own Host; a browser on plain HTTP sends Origin, and no Sec-Fetch-Site.
    let status = |origin| post(&cloud, "/denylist", &form, &[("origin", origin)]).status;
    assert_eq!(status("http://console.lan:8080"), 303);
    // Not even the address that the cloud listens on is the Console's origin now.
    for other in ["https://console.lan:8080", "http://console.lan", "null", &cloud.url] {
        assert_eq!(status(other), 403, "{other}");
    }
    assert!(!login(&cloud, &[]).header("set-cookie").contains("Secure"));
}

#[test]
fn forwarded_headers_of_a_stranger_counted() {
    for cloud in [Cloud::start(), trusting("192.0.2.0/24"), trusting("unix:")] {
        let answer = login(&cloud, &FORWARDED);
        assert_eq!(answer.header("location"), "/");
        assert!(answer.header("set-cookie").ends_with("; Path=/; HttpOnly; SameSite=Lax"));
        let evil = [&FORWARDED[..], &[("origin", "https://console.example")]].concat();
        let form = format!("session={}&seconds=60", session(1));
        let denied = post(&cloud, "/denylist", &form, &evil);
        assert_eq!(denied.status, 403);
        let text = denied.text();
        let own = cloud.url.strip_prefix("http://").unwrap();
        for part in ["--public-url", "browser is at https://console.example", own] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[test]
fn another_site_logged_users_out() {
    let cloud = Cloud::start();
    let host = cloud.url.clone();
    assert_eq!(post(&cloud, "/logout", "", &[("origin", &host)]).status, 303);
    for other in
        [&[("origin", "http://evil.example")][..], &[("sec-fetch-site", "cross-site")], &[]]
    {
        let answer = post(&cloud, "/logout", "", other);
        assert_eq!((answer.status, answer.header("set-cookie")), (403, ""));
        // Browsers obey Set-Cookie even where SameSite kept the cookie from being sent.
        assert_eq!(cloud.send("POST", "/logout", "", other, b"").header("set-cookie"), "");
    }
}

#[test]
fn a_proxy_that_keeps_the_sub_path_got_404() {
    let url = Some("https://console.example/console/".to_owned());
    let cloud = Cloud::start_configured(Options { public_url: url, ..Options::default() });
    cloud.post(&[record(1, 1, json!({}))]);
    for path in ["/console/", "/console", "/console/style.css", "/console/login"] {
        assert_eq!(cloud.get(path).status, 200, "{path}");
    }
    assert_eq!(cloud.ask("/console/v1/sessions?host=shop.example")["total"], 1);
    assert_eq!(cloud.get("/console/v1/nothing").status, 404);
    assert_eq!(cloud.get("/console/console/").status, 404);
    assert_eq!(cloud.get("/consolex/").status, 404);
    // The guard stands in front of these paths as well.
    assert_eq!(cloud.send("GET", "/console/v1/sessions", "", &[], b"").status, 401);
}

#[test]
fn a_browser_at_a_wrong_path_got_json() {
    let cloud = public();
    for path in ["/nothing", "/sessions/nothing/more"] {
        let page = cloud.send("GET", path, "", &[("accept", "text/html,*/*;q=0.8")], b"");
        assert_eq!((page.status, strays(&page.text(), "/sessions/")), (404, vec![]), "{path}");
        assert!(page.text().contains("href=\"/sessions/\""), "{path}");
        assert_eq!(cloud.send("GET", path, "", &[], b"").json()["error"], "not_found");
    }
}
