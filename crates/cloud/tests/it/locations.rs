//! Countries and networks of addresses: `--mmdb`.

use api_sessions_cloud_config::options::Options;
use api_sessions_ip_location::testing::{Entry, write};
use serde_json::{Value, json};

use crate::support::{Cloud, record, session};

fn located(country: &str, number: u32, organisation: &str) -> Entry {
    Entry::map([
        ("country_code", Entry::text(country)),
        ("autonomous_system_number", Entry::Number(number)),
        ("autonomous_system_organization", Entry::text(organisation)),
    ])
}

fn ids(answer: &Value) -> Vec<&str> {
    let sessions = answer["sessions"].as_array().unwrap();
    let mut ids: Vec<&str> = sessions.iter().map(|one| one["session"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn addresses_have_countries_and_networks() {
    let dir = tempfile::tempdir().unwrap();
    let (path, damaged) = (dir.path().join("a.mmdb"), dir.path().join("damaged.mmdb"));
    std::fs::write(&damaged, "damaged").unwrap();
    write(
        &path,
        &[
            ("192.0.2.0/24", located("DE", 64496, "Net & A")),
            ("2001:db8::/32", located("FR", 64497, "Net B")),
        ],
    );
    let cloud =
        Cloud::start_configured(Options { mmdb: vec![damaged, path], ..Options::default() });
    let posted = cloud.post(&[
        record(1, 1, json!({"ip": "192.0.2.7"})),
        record(1, 2, json!({"ip": "2001:db8::7"})),
        record(2, 3, json!({"ip": "192.0.2.8"})),
        record(3, 4, json!({"ip": "198.51.100.1"})),
        // A sender that knows better.
        record(4, 5, json!({"ip": "192.0.2.9", "country": "NL"})),
    ]);
    assert_eq!(posted.status, 200, "{}", posted.text());

    let one = cloud.ask(&format!("/v1/sessions/{}", session(1)));
    assert_eq!(one["countries"], json!(["DE", "FR"]), "{one}");
    assert_eq!(one["organisations"], json!(["Net & A", "Net B"]));
    assert_eq!(one["by"]["asn"][0]["value"], "AS64496");
    let three = cloud.ask(&format!("/v1/sessions/{}", session(3)));
    assert!(three.get("countries").is_none() && three["by"]["asn"] == json!([]), "{three}");

    for (filter, wanted) in [
        ("country=FR", vec![1]),
        ("country=DE", vec![1, 2]),
        ("country=NL", vec![4]),
        ("country=US", vec![]),
        ("asn=AS64496", vec![1, 2, 4]),
        ("organisation=Net+%26+A&country=NL", vec![4]),
    ] {
        let answer = cloud.ask(&format!("/v1/sessions?{filter}"));
        let wanted: Vec<String> = wanted.into_iter().map(session).collect();
        assert_eq!(ids(&answer), wanted, "{filter}");
    }

    let requests = cloud.ask(&format!("/v1/sessions/{}/requests?country=FR", session(1)));
    let shown = requests["requests"].as_array().unwrap();
    assert_eq!((shown.len(), &shown[0]["asn"]), (1, &json!("AS64497")));
    let changes = cloud.ask(&format!("/v1/sessions/{}/changes", session(1)));
    let of_country =
        changes["changes"].as_array().unwrap().iter().find(|one| one["kind"] == "country");
    assert_eq!(
        (&of_country.unwrap()["before"], &of_country.unwrap()["after"]),
        (&json!("DE"), &json!("FR"))
    );
    let facets = cloud.ask("/v1/facets");
    let countries =
        facets["facets"].as_array().unwrap().iter().find(|one| one["name"] == "country");
    assert_eq!(countries.unwrap()["values"][0], json!({"value": "DE", "sessions": 2}));

    for (page, texts) in [
        ("/".to_owned(), vec!["Countries", "Organisations", ">DE<"]),
        (format!("/sessions/{}", session(1)), vec!["Networks (AS)", "AS64497", "new country FR"]),
        ("/?country=FR".to_owned(), vec!["country: FR"]),
    ] {
        let html = cloud.get(&page).text();
        for text in texts {
            assert!(html.contains(text), "{page} lacks {text}: {html}");
        }
    }
}
