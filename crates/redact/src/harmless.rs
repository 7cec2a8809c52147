//! Headers and cookies that are known to hold no credentials; docs/redaction.md lists them.

use crate::limits::MAX_HARMLESS_NAME_BYTES;

/// How the value of a known header is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Unchanged, except for parts that look like a secret.
    Text,
    /// Unchanged, except for tokens of known kinds: the value is random by nature.
    Random,
    /// As a URL, argument by argument.
    Url,
}

/// Standard headers and headers of proxies, in lower case.
const TEXTS: &str = "accept accept-charset accept-datetime accept-encoding accept-language \
    access-control-request-headers access-control-request-method access-control-request-private-network a-im age \
    alt-used api-version cache-control cdn-loop cf-connecting-ip cf-ipcountry cf-visitor client-ip connection \
    content-disposition content-encoding content-language content-length content-location content-md5 \
    content-range content-transfer-encoding content-type dasl date dav depth device-memory digest dnt downlink dpr \
    early-data ect expect fastly-client-ip forwarded from grpc-accept-encoding grpc-encoding grpc-timeout host \
    if-modified-since if-schedule-tag-match if-unmodified-since keep-alive last-modified lock-token \
    max-forwards mime-version odata-maxversion odata-version ordering-type overwrite ping-from ping-to position pragma prefer \
    priority proxy-connection purpose range rtt save-data sec-ch-prefers-color-scheme sec-ch-prefers-reduced-motion sec-ch-ua \
    sec-ch-ua-arch sec-ch-ua-bitness sec-ch-ua-full-version sec-ch-ua-full-version-list sec-ch-ua-mobile \
    sec-ch-ua-model sec-ch-ua-platform sec-ch-ua-platform-version sec-ch-viewport-width sec-fetch-dest sec-fetch-mode \
    sec-fetch-site sec-fetch-user sec-gpc sec-purpose sec-websocket-extensions sec-websocket-version \
    service-worker service-worker-navigation-preload soapaction te timeout trailer transfer-encoding true-client-ip upgrade \
    upgrade-insecure-requests user-agent via viewport-width want-content-digest warning width x-amz-content-sha256 \
    x-amz-date x-amz-target x-client-ip x-cluster-client-ip x-forwarded x-forwarded-by x-forwarded-for \
    x-forwarded-host x-forwarded-port x-forwarded-prefix x-forwarded-proto x-forwarded-scheme x-forwarded-server \
    x-forwarded-ssl x-http-method x-http-method-override x-method-override x-ms-date x-ms-version x-original-host \
    x-originating-ip x-proxyuser-ip x-purpose x-real-ip x-remote-addr x-remote-ip x-requested-with x-scheme x-wap-profile";
/// Ids of requests and traces, entity tags, and protocol handshakes.
const RANDOM: &str = "b3 cf-ray content-digest elastic-apm-traceparent fly-request-id if-match if-none-match if-range \
    idempotency-key last-event-id newrelic ot-tracer-traceid request-context request-id sec-websocket-key sentry-trace \
    traceparent tracestate uber-trace-id x-amz-cf-id x-amzn-requestid x-amzn-trace-id x-b3-flags x-b3-parentspanid x-b3-sampled \
    x-b3-spanid x-b3-traceid x-cloud-trace-context x-correlation-id x-datadog-parent-id x-datadog-trace-id \
    x-github-delivery x-idempotency-key x-request-id x-request-start x-trace-id x-transaction-id x-vercel-id";
const URLS: &str = "destination origin referer x-envoy-original-path x-forwarded-uri x-original-uri x-original-url \
    x-request-uri x-rewrite-url";
/// Cookies for preferences, consent and visitor analytics, in lower case.
const COOKIES: &str = "_clck _clsk _fbp _ga _gat _gcl_au _gid _hjid _pk_id _pk_ref _uetsid _uetvid __utma __utmb __utmc __utmz \
    accent_color color_mode color_scheme consent cookie_consent cookieconsent cookieconsent_status cookielawinfoconsent \
    country currency dark_mode euconsent euconsent-v2 eupubconsent-v2 font_size gdpr hl i18n i18next lang language lc \
    locale next_locale notice_behavior notice_preferences optanonalertboxclosed optanonconsent pll_language region screen_resolution \
    sidebar sidebar_collapsed theme theme_mode timezone tz units usprivacy viewed_cookie_policy wp-wpml_current_language \
    django_language drupal.visitor.language pma_lang pma_theme preferred_language preferredlanguage";

/// How a header is shown. `None`: it is unknown.
pub(crate) fn header(name: &[u8]) -> Option<Known> {
    let mut lower = [0; MAX_HARMLESS_NAME_BYTES];
    let name = lower_case(name, &mut lower)?;
    if is_in(name, TEXTS) {
        Some(Known::Text)
    } else if is_in(name, URLS) {
        Some(Known::Url)
    } else {
        is_in(name, RANDOM).then_some(Known::Random)
    }
}

/// Whether a cookie holds a preference.
pub(crate) fn is_cookie(name: &[u8]) -> bool {
    let mut lower = [0; MAX_HARMLESS_NAME_BYTES];
    lower_case(name, &mut lower).is_some_and(|name| {
        // `_ga_MEASUREMENT`, `_pk_id.1.ab12`.
        is_in(name, COOKIES)
            || [&b"_ga_"[..], b"_pk_id.", b"_pk_ref.", b"_gat_"]
                .iter()
                .any(|start| name.starts_with(start))
    })
}

fn lower_case<'b>(name: &[u8], buffer: &'b mut [u8; MAX_HARMLESS_NAME_BYTES]) -> Option<&'b [u8]> {
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    Some(lower)
}

fn is_in(name: &[u8], list: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(header(b"User-Agent"), Some(Known::Text));
        assert_eq!(header(b"Referer"), Some(Known::Url));
        assert_eq!(header(b"X-REQUEST-ID"), Some(Known::Random));
        assert!(is_cookie(b"Theme") && is_cookie(b"_ga_ABC"));
        for name in
            ["Authorization", "X-Api-Key", "X-Forwarded-Authorization", "", "accept accept-charset"]
        {
            assert_eq!(header(name.as_bytes()), None, "{name}");
        }
        assert!(!is_cookie(b"PHPSESSID"));
    }
}
