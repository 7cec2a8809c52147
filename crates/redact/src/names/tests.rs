use super::*;

#[test]
fn names_are_judged_by_whole_parts() {
    for name in [
        "password",
        "user[password]",
        "newPassword",
        "new_password",
        "user.credentials.value",
        "PASSWD",
        "apiKey",
        "api_key",
        "apikey",
        "X-API-Key",
        "subscription-key",
        "client_secret",
        "accessToken",
        "X-Amz-Signature",
        "X-Amz-Security-Token",
        "X-Amz-Credential",
        "SAMLResponse",
        "SAMLart",
        "wresult",
        "otp",
        "pin",
        "cvv2",
        "pass1",
        "card[number]",
        "cardNumber",
        "iban",
        "sessionId",
        "sessionid",
        "PHPSESSID",
        "JSESSIONID",
        "sid",
        "auth",
        "authToken",
        "hapikey",
        "sesskey",
        "wstoken",
        "userpwd",
        "client_assertion",
        "code_verifier",
        "__RequestVerificationToken",
        "_wpnonce",
        "oobCode",
        "user_code",
        "verification_code",
        "contraseña",
        "new-password-again",
        "credentials[0][secret]",
        "passHash",
        "privateKey",
        "authorization",
        "proxy_authorization",
    ] {
        assert_eq!(class(name.as_bytes()), Class::Secret, "{name}");
    }
    for name in [
        "keyword",
        "keywords",
        "author",
        "authority",
        "authors",
        "sort_key",
        "sortKey",
        "country_code",
        "zip_code",
        "zipcode",
        "status_code",
        "page",
        "pinned",
        "monkey",
        "passenger",
        "passengers",
        "bypass",
        "compass",
        "spinner",
        "keyboard",
        "donkey",
        "turkey",
        "barcode",
        "promo_code",
        "secretary",
        "tokenizer",
        "design",
        "signal",
        "assign",
        "significant",
        "discard",
        "cardinality",
        "cardiology",
        "mapping",
        "opinion",
        "shipping",
        "primaryKey",
        "partition_key",
        "error_code",
        "postcode",
        "encode",
        "decode",
        "username",
        "user_id",
        "client_id",
        "id",
        "q",
        "description",
        "obsession",
        "macAddress",
        "topic",
        "happiness",
        "hotpot",
        "laptop",
        "idempotency_key",
        "currencyCode",
        "side",
        "inside",
        "residence",
    ] {
        assert_eq!(class(name.as_bytes()), Class::Plain, "{name}");
    }
    for (name, expected) in [
        ("token_type", Class::Numbers),
        ("max_tokens", Class::Numbers),
        ("session_timeout", Class::Numbers),
        ("key", Class::Words),
        ("code", Class::Words),
        ("state", Class::Numbers),
        ("ticket_id", Class::Numbers),
        ("password_length", Class::Numbers),
        ("card", Class::Numbers),
    ] {
        assert_eq!(class(name.as_bytes()), expected, "{name}");
    }
}

#[test]
fn the_lists_are_built() {
    prepare();
}

proptest::proptest! {
    #[test]
    fn any_bytes_have_a_class(name in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        class(&name);
    }
}
