//! The Console, over HTTP, with data that came through the module.

use crate::harness::{Cloud, Nginx, get};

#[test]
fn an_analyst_logs_in_lists_sessions_and_opens_one() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                session_key request.header.S name=sid;
                context_param request.header.X-User type=user;
                server {{
                    listen 127.0.0.1:PORT;
                    return 200 ok;
                }}
            ",
            cloud.export()
        ))
        .start();
    let hostile = "<script>alert(1)</script>\"'&";
    get(nginx.port, "/a/<b>?x", &[("S", "one"), ("X-User", hostile)]);
    get(nginx.port, "/c", &[("S", "two")]);
    let sessions = cloud.sessions(2);

    assert_eq!(get(cloud.port, "/", &[]).status, 303, "a stranger is sent to the login");
    assert_eq!(get(cloud.port, "/login?token=wrong", &[]).status, 401);
    let login = get(cloud.port, &format!("/login?token={}", cloud.admin_token()), &[]);
    assert_eq!((login.status, login.header("location")), (303, Some("/")));
    let cookie = login.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let list = get(cloud.port, "/", &[("Cookie", cookie)]);
    assert_eq!(list.status, 200);
    assert!(list.header("content-security-policy").unwrap().contains("default-src 'none'"));
    for session in &sessions {
        assert!(list.body.contains(session["session"].as_str().unwrap()), "{}", list.body);
    }
    let user = "user=%3Cscript%3Ealert(1)%3C/script%3E%22'%26";
    let filtered = get(cloud.port, &format!("/?{user}"), &[("Cookie", cookie)]);
    assert!(filtered.body.contains("1 session<"), "{}", filtered.body);
    let named = sessions.iter().find(|session| session["user"].is_string()).unwrap();
    let page = format!("/sessions/{}", named["session"].as_str().unwrap());
    let open = get(cloud.port, &page, &[("Cookie", cookie)]);
    assert_eq!(open.status, 200);
    for body in [&list.body, &filtered.body, &open.body] {
        assert!(!body.contains("<script>") && body.contains("&lt;script&gt;"), "{body}");
    }
    assert!(open.body.contains("/a/&lt;b&gt;") && open.body.contains("sid"), "{}", open.body);
    assert_eq!(get(cloud.port, "/style.css", &[]).status, 200);
    assert_eq!(get(cloud.port, "/sessions/nobody", &[("Cookie", cookie)]).status, 404);
    assert_eq!(get(cloud.port, "/?status=often", &[("Cookie", cookie)]).status, 400);
}
