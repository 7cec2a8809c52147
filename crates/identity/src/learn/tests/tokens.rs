//! Sessions of different token users are never joined.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// A step of a client that uses tokens.
#[derive(Debug, Clone, Copy)]
enum Call {
    /// A client calls with its access token.
    Page(u8),
    /// A client logs in, as one of a few users.
    Login(u8, u8),
    /// A client renews its tokens with the refresh token.
    Refresh(u8),
    Logout(u8),
    /// One of the pending calls is answered.
    Answer(u8),
}

#[derive(Debug, Clone, Copy)]
enum Tokens {
    Opaque,
    /// With the user's `sub`.
    Jwt,
    /// A JWT, and an opaque refresh token.
    Mixed,
}

#[derive(Default, Clone)]
struct Client {
    /// Access and refresh token of a user.
    tokens: Option<(String, String, u8)>,
    /// Cookie of a load balancer, new with each response.
    balancer: Option<String>,
}

/// Clients that use tokens, several per address. Some users have several clients, and a client may have several users
/// in turn.
fn no_two_users_share_tokens(tokens: Tokens, calls: &[Call], balanced: bool, places: u8) {
    let mut node = Node::new();
    let mut clients = vec![Client::default(); 4];
    let mut under_way: Vec<(Call, u8, Client)> = Vec::new();
    let mut users: HashMap<SessionId, u8> = HashMap::new();
    let mut fresh = 100;
    let ends = std::iter::repeat_n(Call::Answer(0), calls.len());
    for call in calls.iter().copied().chain(ends) {
        let (call, who, sent) = match call {
            Call::Page(who) | Call::Login(who, _) | Call::Refresh(who) | Call::Logout(who) => {
                under_way.push((call, who % 4, clients[usize::from(who % 4)].clone()));
                continue;
            }
            Call::Answer(_) if under_way.is_empty() => continue,
            Call::Answer(which) => under_way.remove(usize::from(which) % under_way.len()),
        };
        let known = sent.tokens.clone();
        let user = match call {
            Call::Login(_, user) => Some(user % 6),
            Call::Refresh(_) => known.as_ref().map(|known| known.2),
            _ => None,
        };
        let issued = user.map(|user| {
            fresh += 2;
            let (access, refresh) = (value(fresh), value(fresh + 1));
            let jwt = |n| jwt(&format!("user{user}"), n);
            match tokens {
                Tokens::Opaque => (access, refresh, user),
                Tokens::Jwt => (jwt(fresh), jwt(fresh + 1), user),
                Tokens::Mixed => (jwt(fresh), refresh, user),
            }
        });
        let answer = issued.as_ref().map_or("{}".to_owned(), |(access, refresh, _)| {
            format!(r#"{{"data":{{"access_token":"{access}","refresh_token":"{refresh}"}}}}"#)
        });
        let agent = ["everybody", "others"][usize::from(who % places)];
        let mut exchange = match (call, &known) {
            (Call::Refresh(_), Some((_, refresh, _))) => {
                post(agent, &format!(r#"{{"refresh_token":"{refresh}"}}"#), &answer)
            }
            (Call::Page(_), _) => from(agent),
            _ => post(agent, "{}", &answer),
        };
        let brings_access = matches!(call, Call::Page(_) | Call::Logout(_));
        if let Some((access, ..)) = known.as_ref().filter(|_| brings_access) {
            exchange = exchange.header("Authorization", format!("Bearer {access}"));
        }
        if let Some(cookie) = &sent.balancer {
            exchange = exchange.header("Cookie", format!("AWSALB={cookie}"));
        }
        fresh += 2;
        let balancer = balanced.then(|| value(fresh));
        if let Some(cookie) = &balancer {
            exchange = exchange.answered("Set-Cookie", format!("AWSALB={cookie}; path=/"));
        }
        let (session, source, _) = node.serve(&exchange, "");
        let brings = brings_access || matches!(call, Call::Refresh(_));
        if let Some((.., user)) = known.filter(|_| brings && source != "ip_ua") {
            let known = *users.entry(session).or_insert(user);
            assert_eq!(known, user, "two users in one session");
        }
        let client = &mut clients[usize::from(who)];
        client.balancer = balancer;
        match call {
            Call::Logout(_) => client.tokens = None,
            _ => client.tokens = issued.or(client.tokens.take()),
        }
    }
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => any::<u8>().prop_map(Call::Page),
        2 => any::<(u8, u8)>().prop_map(|(who, user)| Call::Login(who, user)),
        2 => any::<u8>().prop_map(Call::Refresh),
        1 => any::<u8>().prop_map(Call::Logout),
        6 => any::<u8>().prop_map(Call::Answer),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_logins_refreshes_and_logouts_joins_two_users_of_tokens(
        tokens in prop_oneof![Just(Tokens::Opaque), Just(Tokens::Jwt), Just(Tokens::Mixed)],
        calls in proptest::collection::vec(call(), 1..120),
        balanced in any::<bool>(),
        places in 1_u8..3,
    ) {
        no_two_users_share_tokens(tokens, &calls, balanced, places);
    }
}

#[test]
fn two_logins_behind_one_cookie_of_a_balancer_were_one_session() {
    let mut node = Node::new();
    let balancer = format!("AWSALB={}", value(90));
    let login = |n| {
        let answer = format!(r#"{{"access_token":"{}"}}"#, value(n));
        post("app", "{}", &answer).header("Cookie", &balancer)
    };
    node.session(&post("app", "{}", "{}").answered("Set-Cookie", &balancer));
    node.session(&login(1));
    let ann = node.session(&bearer("app", &value(1)).header("Cookie", &balancer));
    node.session(&login(2));
    let bob = node.session(&bearer("app", &value(2)).header("Cookie", &balancer));
    assert_ne!(ann, bob);
}

#[test]
fn an_opaque_token_beside_that_of_another_user_was_the_sessions() {
    let mut node = Node::new();
    let login = |user: &str, n| {
        let (access, refresh) = (jwt(user, n), value(n));
        post("app", "{}", &format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}"}}"#))
    };
    let refresh = |n| post("app", &format!(r#"{{"refresh_token":"{}"}}"#, value(n)), "{}");
    let cookie = format!("basket={}", value(9));
    node.session(&login("ann", 1).answered("Set-Cookie", &cookie));
    node.session(&login("bob", 2).header("Cookie", &cookie));
    assert_eq!(node.serve(&refresh(1), "").1, "link");
    assert_eq!(node.serve(&refresh(2), "").1, "ip_ua", "only its address is known");
}
