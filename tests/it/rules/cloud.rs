//! Rules of the Console on a running node.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{fired, logged, server};
use crate::harness::{Answer, Cloud, Nginx, eventually, free_port, get, request};

fn start(cloud: &Cloud) -> Nginx {
    let conf = format!(
        "api_sessions_export {} sync=on; api_sessions_deny on; {}",
        cloud.export(),
        server("")
    );
    Nginx::builder().http(&conf).start()
}

fn ask(cloud: &Cloud, method: &str, path: &str, body: &str) -> Answer {
    let token = format!("Bearer {}", cloud.admin_token());
    let headers = [("Authorization", &*token), ("Content-Type", "application/json")];
    request(cloud.port, method, path, &headers, body)
}

fn put(cloud: &Cloud, rules: &Value) {
    let answer = ask(cloud, "PUT", "/v1/rules", &rules.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// The node's own denials.
fn denied(nginx: &Nginx) -> Vec<Value> {
    get(nginx.port, "/control", &[]).json()["denylist"].as_array().unwrap().clone()
}

#[test]
fn a_rule_of_the_console_is_in_force_on_a_running_node_and_can_be_switched_to_monitor() {
    let cloud = Cloud::start();
    let nginx = start(&cloud);
    let rule = |mode: &str| json!([{"name": "busy", "on": "/busy", "over": "3/1h", "then": "limit:1r/h", "mode": mode}]);
    let ask = || get(nginx.port, "/busy", &[("S", "x")]).status;
    assert_eq!(ask(), 200);
    put(&cloud, &rule("enforce"));
    eventually("it is in force", || (ask() == 429).then_some(()));
    put(&cloud, &rule("monitor"));
    // Asked often enough to meet both workers.
    eventually("it only monitors", || (0..10).all(|_| ask() == 200).then_some(()));
    let lines = nginx.lines("rules.log").len();
    ask();
    assert!(fired(&logged(&nginx, lines + 1)[lines..], "busy") == 1, "it still counts");
    put(&cloud, &json!([]));
    eventually("it is gone", || {
        let lines = nginx.lines("rules.log").len();
        ask();
        (fired(&logged(&nginx, lines + 1)[lines..], "busy") == 0).then_some(())
    });
}

#[test]
fn a_rule_of_the_cloud_that_denies_refused_nobody_without_a_deny_directive() {
    let cloud = Cloud::start();
    let conf = format!("api_sessions_export {} sync=on; {}", cloud.export(), server(""));
    let nginx = Nginx::builder().http(&conf).start();
    put(&cloud, &json!([{"name": "busy", "over": "1/1h", "then": "deny:1h", "mode": "enforce"}]));
    let ask = || get(nginx.port, "/", &[("S", "x")]).status;
    eventually("it denies", || (ask() == 403).then_some(()));
    put(&cloud, &json!([]));
    // As without the rule, nobody asks for the denylist.
    eventually("it denies no more", || (0..10).all(|_| ask() == 200).then_some(()));
}

#[test]
fn a_rule_of_the_cloud_with_a_name_that_is_taken_did_nothing_and_nobody_was_told() {
    let cloud = Cloud::start();
    let rules = "session_rules default; session_rule written over=100/1h;";
    let conf = format!("api_sessions_export {} sync=on; {}", cloud.export(), server(rules));
    let nginx = Nginx::builder().http(&conf).start();
    let rule = |name: &str| json!({"name": name, "on": "/busy", "over": "1/1h", "then": "limit:1r/h", "mode": "enforce"});
    put(&cloud, &json!([rule("written"), rule("scraping")]));
    let ask = || get(nginx.port, "/busy", &[("S", "x")]).status;
    eventually("it takes the place of the pack's", || (ask() == 429).then_some(()));
    let lines = logged(&nginx, 1);
    assert!(lines.iter().any(|line| line.contains(" scraping ")), "{lines:?}");
    eventually("the node tells of the other one", || {
        let nodes = cloud.get("/v1/nodes").json();
        let error = nodes["nodes"][0]["error"].as_str().unwrap_or_default().to_owned();
        (error == "rules not in force where nginx.conf has one of the same name: \"written\"")
            .then_some(())
    });
}

/// Denies session x or its address by a rule, takes that off in the cloud, and goes on misbehaving. On a machine that
/// is too slow for the time of the denial, again with twice the time.
fn taken_off(reaction: &str, shown: &str) {
    let is_fast_enough =
        [8, 16, 32, 64].into_iter().any(|seconds| is_taken_off(reaction, shown, seconds));
    assert!(is_fast_enough, "half a minute was too short for a lift");
}

/// As [`taken_off`]; false if half of the time was over too early to see anything.
fn is_taken_off(reaction: &str, shown: &str, seconds: u64) -> bool {
    let cloud = Cloud::start();
    let nginx = start(&cloud);
    let rule = json!([{"name": "login", "on": "POST:/login", "when": "status=401", "over": "2/1h",
        "then": format!("{reaction}:{seconds}s"), "mode": "enforce"}]);
    put(&cloud, &rule);
    let login = || {
        let headers = [("S", "x"), ("X-Forwarded-For", "192.0.2.7"), ("Answer", "401")];
        request(nginx.port, "POST", "/login", &headers, "").status
    };
    eventually("the denial", || (login() == 403).then_some(()));
    let first = denied(&nginx).remove(0);
    let of = |entry: &Value, name: &str| entry[name].as_u64().unwrap();
    let subject = match shown {
        "" => first["session"].as_str().unwrap().to_owned(),
        address => address.to_owned(),
    };
    let list = || ask(&cloud, "GET", "/denylist", "").body;
    eventually("the Console shows it", || list().contains(&subject).then_some(()));
    let asked = now_ms();
    assert_eq!(ask(&cloud, "DELETE", &format!("/v1/denylist/{subject}"), "").status, 204);
    eventually("the node lets it in again", || (login() == 401).then_some(()));
    let (half, whole) = (seconds * 500, seconds * 1000);
    if now_ms() >= of(&first, "until") {
        // It ended by itself.
        return false;
    }
    // It fires with each, and is not denied again at once, neither here nor in the Console.
    let lines = nginx.lines("rules.log").len();
    let answers: Vec<u16> = (0..6).map(|_| login()).collect();
    let times = fired(&logged(&nginx, lines + 6)[lines..], "login");
    let hits = || cloud.get("/v1/rules/hits?rule=login").json()["rules"][0]["hits"].as_u64();
    let before = hits();
    login();
    eventually("the records are there", || (hits() > before).then_some(()));
    let is_listed = list().contains(&subject);
    if now_ms() >= asked + half {
        return false;
    }
    assert_eq!(answers, [401; 6]);
    assert_eq!(times, 6);
    assert!(!is_listed);
    eventually("half of its time is over", || (login() == 403).then_some(()));
    let second = of(&denied(&nginx).remove(0), "since");
    assert!(second >= asked + half, "at once: {} ms", second - asked);
    // A machine that was too slow to see half of its time end says nothing.
    second < asked + whole
}

#[test]
fn a_denial_taken_off_in_the_console_stayed_off_for_all_of_its_time() {
    taken_off("deny", "");
}

#[test]
fn an_address_denied_by_a_rule_is_taken_off_in_the_console() {
    taken_off("deny_ip", "192.0.2.7");
}

/// Answers polls: first a good rule, then a bad one beside a denial.
const OTHER_CLOUD: &str = r#"
    server {
        listen 127.0.0.1:CLOUD;
        location /v1/records { access_log off; return 200; }
        # Windows of key facts end at full ten minutes.
        location /v1/key-facts { access_log off; return 204; }
        location /v1/sync {
            access_log DIR/polls.log polls;
            default_type application/json;
            if ($arg_version = "") { return 200 '{"version":"1","rules":[{"name":"good","over":"0/1h"}]}'; }
            if ($arg_version = 1) { return 200 '{"version":"2","denylist":[{"session":"11111111111111111111111111111111"}],"rules":[{"name":"good","over":"5/1h"},{"name":"bad","over":"x/1h"}]}'; }
            return 304;
        }
    }
"#;

#[test]
fn a_bad_rule_of_the_cloud_changes_nothing_and_is_reported() {
    let port = free_port();
    let conf = format!(
        "log_format polls '$arg_version $http_api_sessions_error';
         api_sessions_export http://127.0.0.1:{port} sync=on; {} {}",
        server(""),
        OTHER_CLOUD.replace("CLOUD", &port.to_string())
    );
    let nginx = Nginx::builder().http(&conf).start();
    let reported = r"2 rule \x22bad\x22: invalid parameter \x22over=x/1h\x22";
    eventually("the node says why", || {
        nginx.lines("polls.log").iter().any(|line| line.starts_with(reported)).then_some(())
    });
    eventually("it is in the error log", || {
        nginx.error_log().contains("not taken in full: rule \"bad\"").then_some(())
    });
    // The rule of before counts as before; the denial beside the bad rule is in force.
    get(nginx.port, "/", &[("S", "x")]);
    assert_eq!(logged(&nginx, 1)[0], "x 200 good 1");
    assert_eq!(denied(&nginx)[0]["session"], "1".repeat(32));
}
