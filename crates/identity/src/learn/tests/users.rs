//! Sessions of different users of cookies are never joined.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// How an application keeps its session.
#[derive(Debug, Clone, Copy)]
enum App {
    /// A new identifier at login and logout.
    AtLogin,
    /// A new value with each response.
    Always,
    /// State in a cookie: equal states have equal values.
    State,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A browser sends a request.
    Page(u8),
    Login(u8),
    Logout(u8),
    /// One of the pending requests is answered.
    Answer(u8),
}

#[derive(Default, Clone)]
struct Browser {
    cookie: Option<String>,
    user: Option<u8>,
}

/// All users share one address and `User-Agent`, or are spread over `places` of them; responses arrive in any order.
/// Requests go to `nodes` in turn.
fn no_two_users_meet(
    (app, nodes): (App, usize),
    name: &str,
    steps: &[Step],
    with_parameter: bool,
    places: u8,
) {
    let has_others = nodes > 1;
    let mut nodes: Vec<_> = (0..nodes).map(|_| Node { has_others, ..Node::new() }).collect();
    let mut browsers = vec![Browser::default(); 4];
    let mut under_way: Vec<(Step, u8, Browser)> = Vec::new();
    let mut users: HashMap<SessionId, u8> = HashMap::new();
    let mut fresh = 100;
    let ends = std::iter::repeat_n(Step::Answer(0), steps.len());
    for step in steps.iter().copied().chain(ends) {
        let (who, answered) = match step {
            Step::Page(who) | Step::Login(who) | Step::Logout(who) => (who % 4, None),
            Step::Answer(_) if under_way.is_empty() => continue,
            Step::Answer(which) => {
                let which = usize::from(which) % under_way.len();
                (0, Some(under_way.remove(which)))
            }
        };
        let Some((step, who, sent)) = answered else {
            under_way.push((step, who, browsers[usize::from(who)].clone()));
            continue;
        };
        let mut exchange = from(["everybody", "others"][usize::from(who % places)]);
        if let Some(cookie) = &sent.cookie {
            exchange = exchange.header("Cookie", format!("{name}={cookie}"));
        }
        let user = match step {
            Step::Login(_) => Some(who),
            Step::Logout(_) => None,
            _ => sent.user,
        };
        fresh += 1;
        let set = match (app, step) {
            (App::AtLogin, Step::Page(_)) if sent.cookie.is_some() => None,
            (App::State, _) => Some(value(user.map_or(0, |user| u32::from(user) + 1))),
            _ => Some(value(fresh)),
        };
        if let Some(set) = &set {
            exchange = exchange.answered("Set-Cookie", format!("{name}={set}; path=/"));
        }
        let named =
            sent.user.filter(|_| with_parameter).map_or(String::new(), |user| user.to_string());
        nodes.rotate_left(1);
        let (session, source, _) = nodes[0].serve(&exchange, &named);
        // A request without an identifying value is known only by its address.
        if let Some(user) = sent.user.filter(|_| source != "ip_ua") {
            let known = *users.entry(session).or_insert(user);
            assert_eq!(known, user, "two users in one session");
        }
        let browser = &mut browsers[usize::from(who)];
        if let Some(set) = set {
            *browser = Browser { cookie: Some(set), user };
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u8>().prop_map(Step::Page),
        1 => any::<u8>().prop_map(Step::Login),
        1 => any::<u8>().prop_map(Step::Logout),
        5 => any::<u8>().prop_map(Step::Answer),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_set_cookie_parallel_requests_and_logouts_joins_two_users(
        app in prop_oneof![Just(App::AtLogin), Just(App::Always), Just(App::State)],
        name in prop_oneof![Just("PHPSESSID"), Just("laravel_session"), Just("whatever"), Just("session")],
        steps in proptest::collection::vec(step(), 1..120),
        with_parameter in any::<bool>(),
        places in 1_u8..3,
    ) {
        no_two_users_meet((app, 1), name, &steps, with_parameter, places);
    }

    // State that is equal at one address joins its visitors, until the nodes have heard of it.
    #[test]
    fn no_sequence_of_requests_to_several_nodes_joins_two_users(
        app in prop_oneof![Just(App::AtLogin), Just(App::Always)],
        name in prop_oneof![Just("PHPSESSID"), Just("laravel_session"), Just("whatever"), Just("session")],
        steps in proptest::collection::vec(step(), 1..120),
        with_parameter in any::<bool>(),
        places in 1_u8..3,
    ) {
        no_two_users_meet((app, 3), name, &steps, with_parameter, places);
    }
}
