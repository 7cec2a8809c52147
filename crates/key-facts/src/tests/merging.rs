use proptest::prelude::*;

use crate::{
    KeyFacts, Kind, Seen, WindowFacts,
    wire::{ApplicationFacts, KeyLine},
};

fn add(facts: &mut KeyFacts, requests: &[(u32, u32)]) {
    for (client, value) in requests {
        let seen = Seen {
            client: *client,
            network: client % 16 + 1,
            moment: 1 + value % 8,
            user: 0,
            endpoint: 1 + client % 3,
        };
        facts.add(&seen, *value);
    }
}

proptest! {
    /// As long as no client has too many values of its own, merged samples equal the sample of all requests.
    #[test]
    fn two_samples_make_the_sample_of_both(
        one in proptest::collection::vec((1..400_u32, 1..u32::MAX), 0..300),
        two in proptest::collection::vec((1..400_u32, 1..u32::MAX), 0..300),
    ) {
        let (mut all, mut left, mut right) = (KeyFacts::default(), KeyFacts::default(), KeyFacts::default());
        add(&mut all, &one);
        add(&mut all, &two);
        add(&mut left, &one);
        add(&mut right, &two);
        left.merge(&right);
        let sorted = |facts: &KeyFacts| {
            let mut clients: Vec<(u32, Vec<u32>)> = facts.clients.0.iter().map(|(client, values)| {
                let mut values = values.as_slice().to_vec();
                values.sort_unstable();
                (client, values)
            }).collect();
            clients.sort();
            let mut lowest: Vec<u32> = facts.distinct.iter().map(|(value, ())| value).collect();
            lowest.sort_unstable();
            (facts.present, clients, lowest)
        };
        prop_assert_eq!(sorted(&left), sorted(&all));
        prop_assert_eq!(left.sessions(), all.sessions());
    }

    #[test]
    fn a_line_says_what_was_measured(
        requests in proptest::collection::vec((1..60_u32, 1..5000_u32), 1..400),
    ) {
        let mut facts = KeyFacts::default();
        add(&mut facts, &requests);
        let keys = vec![KeyLine { kind: Kind::Own, name: "sid".to_owned(), facts }];
        let application = ApplicationFacts { name: "shop".to_owned(), requests: 9, report: true, keys };
        let facts = WindowFacts { start: 6_000, length: 2_000, application };
        let mut line = Vec::new();
        facts.write_line(&mut line);
        let summary = |facts: &WindowFacts| {
            let key = &facts.application.keys[0].facts;
            crate::Summary::new(facts.application.requests, key, &key.clients, 1)
        };
        let read = WindowFacts::parse(&line).unwrap();
        prop_assert_eq!(summary(&read), summary(&facts));
        prop_assert_eq!((read.start, read.application.report), (facts.start, true));
    }

    #[test]
    fn no_line_makes_the_cloud_fail(line in ".{0,200}") {
        let _ = WindowFacts::parse(line.as_bytes());
    }
}

#[test]
fn the_number_of_sessions_is_estimated() {
    let mut facts = KeyFacts::default();
    let key = crate::Key::new([1, 2]);
    for n in 0..100_000_u32 {
        facts.add(
            &Seen { client: n % 1000 + 1, ..Seen::default() },
            key.fingerprint(0, &n.to_le_bytes()),
        );
    }
    let sessions = facts.sessions() as f64;
    assert!((50_000.0..200_000.0).contains(&sessions), "{sessions}");
}
