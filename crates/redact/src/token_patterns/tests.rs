use super::*;

fn found(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    each(text.as_bytes(), &mut |range| all.push(text.get(range).unwrap()));
    all.dedup();
    all
}

#[test]
fn tokens_keys_and_cards_are_found_in_any_text() {
    for (text, secret) in [
        (
            "see ghp_16C7e42F292c6912E7710c838347Ae178B4a here",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        ),
        ("sk_live_4eC39HqL", "sk_live_4eC39HqL"),
        ("key AKIAIOSFODNN7EXAMPLE.", "AKIAIOSFODNN7EXAMPLE."),
        (
            "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy",
            "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy",
        ),
        ("Zq000000000000000000000000000007", "Zq000000000000000000000000000007"),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("card 4111 1111 1111 1111, thanks", "4111 1111 1111 1111"),
        ("378282246310005", "378282246310005"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "5f4dcc3b5aa765d61d8327deb882cf99"),
        ("a eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln b", "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln"),
        ("AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc", "AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
        ),
    ] {
        assert!(found(text).contains(&secret), "{text}: {:?}", found(text));
    }
}

#[test]
fn words_ids_and_numbers_are_no_secrets() {
    let padding = "A".repeat(5000);
    for text in [
        &*padding,
        "how-to-build-a-2024-model-x1000-in-30-days",
        "550e8400-e29b-41d4-a716-446655440000",
        "507f1f77bcf86cd799439011",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "/api/v1/users/550e8400-e29b-41d4-a716-446655440000/items",
        "175928847299117063",
        "2024-01-02T03:04:05.678Z",
        "getUserAccountInformationByName",
        "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
        "1700000000000",
        "the quick brown fox jumps over the lazy dog",
        "cjld2cjxh0000qzrmn831i7rn",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "1' UNION SELECT username,password FROM users-- -",
        "dGhpcyBpcyBhIHJlYWRhYmxlIHRleHQgaW4gYmFzZTY0",
        "4111111111111112",
        "secret_of_success_story",
        "Donaudampfschifffahrtsgesellschaft",
        "eyJpZCI6MTIzLCJvIjoicHJldiJ9",
    ] {
        assert!(found(text).is_empty(), "{text}: {:?}", found(text));
    }
}

/// Each layer doubled the work: 30 layers would take hours.
#[test]
fn base64_in_base64_many_times_took_a_time_that_doubled_with_each() {
    use ::base64::Engine;
    let nested = (0..30).fold("a text that is long enough".to_owned(), |text, _| {
        ::base64::engine::general_purpose::STANDARD.encode(text)
    });
    assert!(nested.len() > 100_000 && is_in(nested.as_bytes()));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_judged_and_places_are_in_the_text(text in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        each(&text, &mut |range| assert!(text.get(range).is_some_and(|found| !found.is_empty())));
    }

    #[test]
    fn random_tokens_are_found(token in "[A-Za-z0-9]{12}[0-9][A-Za-z0-9]{12}[0-9][A-Za-z0-9]{8}") {
        assert!(is_in(token.as_bytes()), "{token}");
    }
}
