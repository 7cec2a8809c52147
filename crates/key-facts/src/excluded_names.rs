//! Names that are never keys: ids of requests, properties of clients, preferences, analytics, protection and
//! balancers.

use super::place::Place;

/// Names of headers, in lower case.
const HEADERS: &str = "accept accept-charset accept-encoding accept-language access-control-request-headers \
    authorization b3 baggage cache-control cf-connecting-ip cf-ray cf-visitor content-digest content-disposition \
    content-encoding content-language content-type cookie date digest dnt elastic-apm-traceparent expect forwarded \
    from grpc-timeout host idempotency-key if-match if-modified-since if-none-match if-range if-unmodified-since \
    keep-alive last-event-id newrelic origin pragma priority proxy-authorization range referer request-id \
    sec-websocket-extensions sec-websocket-key sec-websocket-protocol sentry-trace soapaction te traceparent \
    tracestate transfer-encoding true-client-ip uber-trace-id upgrade user-agent via x-amz-cf-id x-amz-content-sha256 \
    x-amz-date x-amzn-requestid x-amzn-trace-id x-api-key x-client-data x-client-ip x-cloud-trace-context \
    x-correlation-id x-csrf-token x-csrftoken x-forwarded x-forwarded-for x-forwarded-host x-forwarded-prefix \
    x-forwarded-server x-forwarded-uri x-idempotency-key x-original-uri x-original-url x-real-ip x-request-id \
    x-request-start x-requested-with x-trace-id x-transaction-id x-vercel-id x-xsrf-token";
/// Prefixes of header names.
const HEADERS_LIKE: &[&str] = &["sec-ch-", "sec-fetch-", "x-b3-", "x-datadog-", "access-control-"];
/// Names of cookies, in lower case.
const COOKIES: &str = "_abck _clck _clsk _csrf _csrf_token _fbp _gat _gid _hjid _uetsid _uetvid __cf_bm __requestverificationtoken \
    __utma __utmb __utmc __utmz _cfuvid ak_bmsc apisid awsalb awsalbcors awselb aws-waf-token cf_clearance ci_csrf_token \
    consent csrf csrf_token csrftoken datadome eupubconsent-v2 hsid ingresscookie matomo_sessid nid optanonconsent \
    optanonalertboxclosed rl_session route serverid sid_hint ssid svsession taboola_session_id ttcsid xsrf-token";
/// Prefixes of cookie names.
const COOKIES_LIKE: &[&str] = &[
    "_ga",
    "_gcl_",
    "_pk_",
    "_px",
    "amplitude_",
    "arraffinity",
    "bigipserver",
    "bm_",
    "incap_ses_",
    "intercom-",
    "mp_",
    "nlbi_",
    "reese84",
    "sbjs_",
    "ts01",
    "visid_incap_",
];
/// Names of arguments, in lower case.
const ARGUMENTS: &str = "api_key apikey callback continue csrf_token fbclid gclid msclkid next nonce q query \
    redirect redirect_uri return return_to search state url utm_campaign utm_content utm_medium utm_source utm_term";

/// Claims about the issue of a token and about rights, in lower case.
const CLAIMS: &str = "acr amr at_hash aud auth_time azp c_hash cnf exp expires_in groups iat iss jti nbf nonce \
    permissions rat realm_access role roles s_hash scope scopes scp tid typ updated_at ver version";
/// Claims that the built-in set reads itself, in lower case.
const OF_THE_SET: &str = "appid azp cid client_id email id oid origin_jti session_id session_state sessionhandle \
    sid sub uid user_id";

/// Whether the built-in set reads the claim.
pub(crate) fn is_of_the_set(claim: &str) -> bool {
    let lower = claim.to_ascii_lowercase();
    OF_THE_SET.split_ascii_whitespace().any(|known| known == lower)
}

/// Whether a name is never a key.
pub(crate) fn is_never(place: Place, name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let (names, beginnings): (&str, &[&str]) = match place {
        Place::Header => (HEADERS, HEADERS_LIKE),
        Place::Cookie => (COOKIES, COOKIES_LIKE),
        Place::Query => (ARGUMENTS, &[]),
        Place::Claim => (CLAIMS, &[]),
    };
    let bare = lower.strip_prefix("__host-").or_else(|| lower.strip_prefix("__secure-"));
    let bare = bare.unwrap_or(&lower);
    names.split_ascii_whitespace().any(|known| known == bare)
        || beginnings.iter().any(|begin| bare.starts_with(begin))
}
