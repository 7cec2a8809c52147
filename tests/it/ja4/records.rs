//! The fingerprint in records and in the cloud.

use crate::harness::{Cloud, get};

use super::clients::curl;
use super::oracle;
use super::relay::{Pass, Relay};
use super::server::Server;

#[test]
fn a_record_has_the_fingerprint_and_sessions_are_found_by_it() {
    let cloud = Cloud::start();
    let server = Server::start(&format!("api_sessions_export {};", cloud.export()), "");
    let relay = Relay::to(server.port, Pass::AsSent);
    curl(relay.port, &["-A", "one"]);
    let oracle::Ja4 { ja4: one, stable, .. } = oracle::ja4(&relay.last());
    curl(relay.port, &["-A", "two", "--tls-max", "1.2"]);
    get(server.nginx.port, "/", &[("User-Agent", "three")]);
    cloud.sessions(3);
    let found = cloud.get(&format!("/v1/sessions?ja4={one}")).json();
    assert_eq!(found["sessions"].as_array().unwrap().len(), 1, "{found:#}");
    let id = found["sessions"][0]["session"].as_str().unwrap();
    let record = cloud.records(id, 1).remove(0);
    assert_eq!((&record["ua"], &record["ja4"]), (&"one".into(), &one.as_str().into()));
    assert_eq!(record["ja4_stable"], stable);
    let csv = cloud.get(&format!("/v1/sessions/{id}/requests.csv")).body;
    assert!(csv.contains(&one), "{csv}");
    for session in cloud.sessions(3) {
        let record = cloud.records(session["session"].as_str().unwrap(), 1).remove(0);
        assert_eq!(record["ja4"].is_null(), record["ua"] == "three", "{record:#}");
    }
}

#[test]
fn a_masked_fingerprint_is_in_no_record() {
    let cloud = Cloud::start();
    let mask =
        format!("api_sessions_export {}; api_sessions_mask request.tls.ja4;", cloud.export());
    let server = Server::start(&mask, "");
    let relay = Relay::to(server.port, Pass::AsSent);
    curl(relay.port, &[]);
    let oracle::Ja4 { ja4, stable, .. } = oracle::ja4(&relay.last());
    let session = cloud.sessions(1).remove(0);
    let record = cloud.records(session["session"].as_str().unwrap(), 1).remove(0);
    assert!(!record.to_string().contains(&ja4), "{record:#}");
    assert!(!record.to_string().contains(&stable), "its stable form: {record:#}");
    assert!(record["ja4"].is_string(), "{record:#}");
}
