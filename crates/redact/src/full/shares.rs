//! Limits of docs/redaction.md: the share of secrets that are shown and of harmless values that are hidden,
//! by place.

use super::tests::shown;
use super::*;
use api_sessions_extract::testing::FakeExchange;

/// The names of field case F01, from bug reports about logs that showed them.
const F01: Names = Names {
    headers: "Ocp-Apim-Subscription-Key X-Functions-Key X-Auth-Key DD-APPLICATION-KEY X-Honeycomb-Team X-JFrog-Art-Api \
        X-MS-CLIENT-PRINCIPAL X-Auth X-Session X-Ticket X-Api-Key X-Vault-Token",
    cookies: "ocqx5m6nx2xn 0123456789abcdef0123456789abcdef fe_typo_user phpMyAdmin _t frontend MYSAPSSO2 iPlanetDirectoryPro \
        ObSSOCookie CASTGC TGC user_credentials mellon-cookie VouchCookie __ac cf_clearance splunkd_8000 \
        wordpress_sec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa _identity access refresh ticket password JSESSIONID.1a2b3c4d PHPSESSID",
    arguments: "password token api_key apikey client_secret code X-Amz-Signature X-Amz-Security-Token accessToken ticket \
        reset_token SAMLResponse access_token",
    fields: "password client_secret apiKey token refreshToken otp access_token cvv sid new_password",
};

/// Names of other products, which the rules were not written for individually.
const OTHERS: Names = Names {
    headers: "X-Gitlab-Token PRIVATE-TOKEN JOB-TOKEN X-Shopify-Access-Token X-Hub-Signature-256 X-Slack-Signature \
        Stripe-Signature X-Twilio-Signature X-Parse-Application-Id X-Parse-Master-Key X-Parse-Session-Token X-Algolia-API-Key \
        X-Figma-Token X-Postmark-Server-Token X-Goog-Api-Key X-Goog-IAP-JWT-Assertion Cf-Access-Jwt-Assertion \
        CF-Access-Client-Secret X-Amz-Security-Token X-Plex-Token X-Emby-Token X-Redmine-API-Key X-Riot-Token \
        X-CMC_PRO_API_KEY X-MBX-APIKEY CB-ACCESS-SIGN CB-ACCESS-PASSPHRASE X-Killbill-ApiSecret Circle-Token \
        X-TYK-Authorization X-RapidAPI-Key Fastly-Key X-Rollbar-Access-Token X-Sentry-Auth X-Nextcloud-Session \
        X-Forwarded-Access-Token X-Remote-User-Token OC-RequestToken X-XSRF-TOKEN X-Chef-Signature apikey AccessKey \
        X-Amzn-Oidc-Data Grafana-Credential X-Consul-Token X-Nomad-Token X-Etcd-Auth X-ClickHouse-Key X-Influx-Secret",
    cookies: "remember_user_token _gitlab_session grafana_session JSESSIONID_JIRA seraph.rememberme.cookie atlassian.xsrf.token \
        confluence.login crowd.token_key SonarQubeJWT JWT-SESSION XSRF-TOKEN nc_token nc_session_id oc_sessionPassphrase \
        roundcube_sessauth ZM_AUTH_TOKEN zbx_sessionid cacti _redmine_session mattermost MMAUTHTOKEN MMCSRF rc_token \
        rabbitmq_m pma_auth pmaAuth-1 adminer_sid _harbor_session portainer_api_key authelia_session authentik_session \
        KEYCLOAK_IDENTITY KEYCLOAK_SESSION AUTH_SESSION_ID KC_RESTART SSESSa1b2 EPiServerLogin .ASPXAUTH FedAuth rtFa \
        ESTSAUTH ESTSAUTHPERSISTENT SSO_TOKEN LtpaToken2 DomAuthSessId SMSESSION OAMAuthnCookie PD-H-SESSION-ID \
        ORA_WWV_APP_100 laravel_token remember_web_59ba symfony REMEMBERME typo3_be_user be_typo_user sylius_session magento \
        form_key X-Magento-Vary mage-cache-sessid PrestaShop-a1 bigcommerce SHOP_SESSION_TOKEN _secure_session_id cart_sig \
        __cf_bm __Host-next-auth.csrf-token sb-access-token supabase-auth-token __clerk_db_jwt __client_uat \
        appSession auth0 a0:state _vercel_jwt login_hash user_token",
    arguments: "private_token rss_token feed_token hapikey wstoken sesskey oauth_token oauth_verifier oauth_signature id_token_hint \
        client_assertion assertion SAMLart RelayStateToken wresult oobCode X-Goog-Signature X-Goog-Credential X-Amz-Credential \
        AWSAccessKeyId Signature sig hdnea authkey auth_token app_secret jwt otp pin passcode pwd user_pass pass1 \
        new_password_confirmation magic_link_token invite_token confirmation_token unlock_token security_code \
        verification_code access-key accesskey secretKey signature subscription-key key code user_code device_code \
        code_verifier csrfmiddlewaretoken authenticity_token _csrf_token _wpnonce __RequestVerificationToken sessionid \
        jsessionid PHPSESSID CFTOKEN pgtIou ticket passwd pw logintoken crumb X-Plex-Token api-key apiSecret",
    fields: "currentPassword user[password] passphrase privateKey secret_access_key sessionToken refresh_token idToken bearer \
        accountNumber card_number cardNumber cvc cvv2 pin_code iban ssn securityAnswer mnemonic seedPhrase mfa_code totp \
        webhook_secret signing_secret encryptionKey licenseKey client_assertion backup_code credentials.value \
        auth.secret password_hash db_password smtpPass aws_secret_access_key connectionString authHash recoveryCode",
};

/// Names that APIs use, collected after the rules were written; most from memory, some from documentation.
const THIRD: Names = Names {
    headers: "X-StorageApi-Token APISign APIKey X-Auth-Email-Key Api-Token X-BAPI-SIGN OK-ACCESS-SIGN OK-ACCESS-PASSPHRASE KC-API-SIGN \
        KC-API-PASSPHRASE X-Dotenv-Key X-Contentful-Token X-Okta-User-Agent-Token X-SFDC-Session X-Auth-Signature X-Zoho-Authtoken \
        X-Trello-Webhook X-Square-Hmacsha256-Signature X-Zm-Signature Paypal-Transmission-Sig X-Api-Secret X-User-Token X-User-Key \
        X-Subject-Token X-Storage-Token X-Container-Meta-Temp-URL-Key X-Access-Token X-CSRF-Token X-Refresh-Token x-amz-cognito-token \
        x-goog-authenticated-user-jwt x-ms-token-aad-access-token X-ARR-ClientCert X-SSL-Client-Cert Ssl-Client-Cert X-Device-Token \
        X-Push-Token X-Pagerduty-Signature X-Line-Signature X-Telegram-Bot-Api-Secret-Token X-Kubernetes-Token X-Cisco-Meraki-API-Key \
        X-PAN-KEY X-F5-Auth-Token X-Rundeck-Auth-Token X-Octopus-ApiKey X-NuGet-ApiKey X-Mashape-Key X-Yandex-API-Key x-hasura-admin-secret",
    cookies: ".AspNetCore.Identity.TwoFactorUserId .AspNetCore.Antiforgery.abc .AspNetCore.Session DokuWiki DW68700bfd16c2027de7de74a5a8202a6f \
        ci_session cakephp CAKEPHP PLAY_SESSION rack.session _session_id _csrf koa.sess koa.sess.sig express.sid sails.sid hapi-session \
        __Secure-next-auth.session-token __Secure-authjs.session-token better-auth.session_token lucia_session wp-postpass_abc \
        wordpress_logged_in_abc woocommerce_session wp_woocommerce_session_abc edd_wp_session bb_sessionhash xf_session xf_user phpbb3_abc_sid \
        phpbb3_abc_k vbulletin_password flarum_remember flarum_session discourse_session joomla_user_state MoodleSession MOODLEID1_ \
        BlackboardSession canvas_session _normandy_session _interslice_session d2lSecureSessionVal ASP.NET_SessionId __RequestVerificationToken \
        OutlookSession X-OWA-CANARY ROUTEID_AUTH dtCookie_secret gitea_incredible i_like_gitea jenkins-session remember-me screenResolutionToken \
        bamboouserauthenticator ghost-admin-api-session strapi-jwt directus_session_token metabase.SESSION superset_session airflow_session \
        kibana_sid odoo_session_id frappe_sid nextauth ory_kratos_session oauth2_proxy oathkeeper",
    arguments: "AccessKeyId Signature auth_token access-token refresh-token oauth2_token apitoken api_token_id token_secret app_key application_key \
        auth_code authcode authorization_code client_key consumer_secret consumer_key_secret webhook_password sas_token se_sig skt_sig \
        hmac request_token session_token session_key sessionKey login_token one_time_password onetimecode sms_code smsCode email_code \
        emailVerificationToken verify_token hub.verify_token unsubscribe_token share_token guest_token preview_token embed_token stream_key \
        streamKey playback_token upload_token download_token X-Goog-Security-Token X-Oss-Signature x-cos-security-token q-signature OSSAccessKeyId \
        Policy-Signature Key-Pair-Signature hash_hmac checksum_key security_token secure_token passkey passcode_confirmation pass_phrase",
    fields: "application_key webhook_password oauth.token.access_token token_secret keyPassword keystorePassword trustStorePassword sslPassword bindPassword \
        bind_pw ldap_password proxyPassword rootPassword adminPassword userPassword initial_password temporaryPassword master_password \
        basicAuthPassword bearer_token botToken bot_token hmacKey hmac_secret signingKey sign_key jwtSecret jwt_signing_key private_key_pem \
        privateKeyPassphrase sshKey ssh_private_key deployKeySecret service_account_key accountKey storage_account_key sasToken \
        sharedAccessKey access_key_secret secretAccessKey clientSecret oauthSecret oauth_client_secret apiSecretKey appSecret verificationToken \
        pinCode puk_code cardCvc card.cvv bankAccountNumber routing_number taxId socialSecurityNumber recovery_codes",
};
/// Names of further products, from memory, written down before they were tested.
const FOURTH: Names = Names {
    headers: "X-Linear-Signature X-Intercom-Webhook-Token X-Airtable-Client-Secret Notion-Signature X-Asana-Hook-Secret X-ClickUp-Token \
        X-Monday-Authorization X-Typeform-Signature Typeform-Signature Calendly-Webhook-Signature X-Zendesk-Webhook-Signature \
        X-Freshdesk-Api-Key X-HubSpot-Signature-v3 X-Mailgun-Signature X-SendGrid-Event-Webhook-Signature X-Mandrill-Signature \
        X-Vonage-Signature Plaid-Verification X-Adyen-Hmac Razorpay-Signature X-Razorpay-Signature Coinbase-Signature X-CC-Webhook-Signature \
        BTCPay-Sig X-Paystack-Signature X-Flutterwave-Secret verif-hash X-Wix-Signature X-WC-Webhook-Signature X-BC-Auth-Token \
        X-Salesforce-SIG X-Docusign-Signature-1 X-Dropbox-Signature X-Box-Signature-Primary X-Discord-Signature X-Signature-Ed25519 \
        X-Kick-Signature Twitch-Eventsub-Message-Signature X-Datadog-Api-Key X-NewRelic-Api-Key X-SF-Token X-Elastic-Api-Key \
        X-Splunk-Token X-Snyk-Token X-Artifactory-Token X-Gitea-Token X-Gogs-Signature X-Bitbucket-Token X-Buildkite-Token \
        X-Drone-Secret X-Terraform-Token X-Pulumi-Secret",
    cookies: "sessionid_ss sid_tt connect.sid SID HSID SSID APISID SAPISID __Secure-1PSID __Secure-3PSIDTS li_at li_rm c_user xs fr datr \
        auth_token_twitter ct0 kdt reddit_session token_v2 edgebucket session-token ubid-main at-main sess-at-main x-main sp_dc sp_key \
        user_session __Host-user_session_same_site _gh_sess dotcom_user logged_in_hash nflxid NetflixId SecureNetflixId twitch.persistent \
        auth-token zguid JSESSIONIDSSO ASPSESSIONIDQABCD CFID CFTOKEN SERVERID_SESSION koa:sess meteor_login_token fider_auth \
        nocodb_refresh hasura-session minio_token rundeck_session vault_token argocd.token rancher_R_SESS R_SESS harbor_sid",
    arguments: "sso sso_token nonce_token otpauth login_ticket st_token service_ticket auth_ticket reset_code resetKey activation_key \
        activationCode confirm_code confirmationToken signup_token invitationToken invite_code recovery_token recoveryKey pairing_code \
        pairingCode device_secret device_token fcm_token push_token apns_token webhookSecret hook_token bot_token api_pass apipass apiPwd \
        user_pwd userpwd loginPassword old_password confirm_password repeat_password pass2 mypassword passwort contrasena motdepasse \
        wachtwoord senha parola heslo haslo X-Amz-Signature-V2 sv_sig Expires_Signature hmac_signature shared_secret",
    fields: "encryptedPassword plain_password secretAccessKey sessionTicket signedRequest signed_payload id_token_jwt oauthToken oauthTokenSecret \
        consumerKeySecret bearerToken accessSecret refreshSecret clientAssertion samlAssertion samlResponse privateKeyId private_key_password \
        pfxPassword certificatePassword jks_password dbPass redis_password mongo_password mysql_root_password POSTGRES_PASSWORD SMTP_PASSWORD \
        STRIPE_SECRET_KEY OPENAI_API_KEY GITHUB_TOKEN NPM_TOKEN wallet_private_key seed_phrase recovery_phrase cardCvv card_cvc securityCode \
        pinCode atm_pin oneTimeCode verificationToken challengeToken totpSecret backupCodes mfaToken two_factor_code otp_code",
};

/// Like [`HARMLESS`], from requests to other APIs.
const HARMLESS_TOO: &[(&str, &str)] = &[
    ("first_name", "Alice"),
    ("last_name", "Smith"),
    ("company", "Acme Ltd"),
    ("street", "12 Main Street"),
    ("state_name", "Bavaria"),
    ("region", "eu-west-1"),
    ("instance_type", "t3.micro"),
    ("image", "nginx:1.25.3"),
    ("replicas", "3"),
    ("namespace", "default"),
    ("namespace_id", "prod-eu"),
    ("kind", "Deployment"),
    ("apiVersion", "apps/v1"),
    ("priority", "high"),
    ("severity", "warning"),
    ("query", "up{job=\"node\"} > 0"),
    ("jql", "project = ABC AND status = Open"),
    ("sort_by", "created"),
    ("order_by", "name asc"),
    ("include", "author,comments"),
    ("expand", "lines"),
    ("page_size", "50"),
    ("per_page", "20"),
    ("start_time", "2024-05-06T07:08:09Z"),
    ("end_date", "2024-12-31"),
    ("duration", "3600"),
    ("interval", "5m"),
    ("cron", "*/5 * * * *"),
    ("path", "src/main.rs"),
    ("branch", "feature/login-page"),
    ("ref", "refs/heads/main"),
    ("message", "Fix the build"),
    ("body", "It works on my machine."),
    ("labels", "bug,help wanted"),
    ("milestone", "v1.2"),
    ("assignee", "octocat"),
    ("repository", "hello-world"),
    ("file", "report-2024.pdf"),
    ("mime_type", "image/png"),
    ("width", "1920"),
    ("height", "1080"),
    ("rating", "4.5"),
    ("amount", "1999"),
    ("unit_amount", "1999"),
    ("currency_code", "usd"),
    ("customer_email", "bob@example.com"),
    ("shipping_method", "express"),
    ("tracking_number", "1Z9999"),
    ("channel", "general"),
    ("locale", "pt-BR"),
    ("theme", "dark"),
    ("notes", "Call me at five"),
    ("subject", "Hello there"),
    ("reply_to", "carol@example.com"),
    ("hostname", "db-1.internal"),
    ("port", "5432"),
    ("protocol", "https"),
    ("comment", "nice work, thanks!"),
    ("uuid", "f47ac10b-58cc-4372-a567-0e02b2c3d479"),
    ("model", "gpt-large-2"),
];
/// Harmless names and values.
const HARMLESS: &[(&str, &str)] = &[
    ("keyword", "shoes"),
    ("keywords", "red shoes"),
    ("author", "Jane Doe"),
    ("authors", "Jane Doe"),
    ("sort_key", "created_at"),
    ("sortKey", "price"),
    ("country_code", "DE"),
    ("zip_code", "12345-6789"),
    ("zip", "SW1A 1AA"),
    ("postal_code", "K1A 0B1"),
    ("status_code", "404"),
    ("page", "2"),
    ("pinned", "true"),
    ("monkey", "capuchin"),
    ("passenger", "John Smith"),
    ("passengers", "3"),
    ("date", "2024-01-02"),
    ("from", "2024-01-02T03:04:05Z"),
    ("id", "550e8400-e29b-41d4-a716-446655440000"),
    ("slug", "how-to-build-a-house-in-2024"),
    ("q", "SELECT the best laptop under 1000"),
    ("lang", "en-US"),
    ("currency", "EUR"),
    ("limit", "100"),
    ("offset", "4000"),
    ("order", "desc"),
    ("fields", "id,name,email"),
    ("email", "alice@example.com"),
    ("username", "alice"),
    ("user_id", "10234567"),
    ("object_id", "507f1f77bcf86cd799439011"),
    ("title", "A walk in the park"),
    ("description", "The quick brown fox jumps over the lazy dog."),
    ("phone", "+49 30 1234567"),
    ("city", "München"),
    ("price", "19.99"),
    ("quantity", "3"),
    ("color", "dark blue"),
    ("size", "XL"),
    ("category", "home/garden"),
    ("tag", "sale"),
    ("format", "json"),
    ("callback", "handleResponse"),
    ("redirect", "/account/orders"),
    ("url", "https://example.com/about?page=2"),
    ("version", "2.3.1"),
    ("timezone", "Europe/Berlin"),
    ("lat", "52.5200"),
    ("lon", "13.4050"),
    ("token_type", "bearer"),
    ("grant_type", "authorization_code"),
    ("response_type", "code"),
    ("max_tokens", "256"),
    ("session_count", "12"),
    ("primary_key", "id"),
    ("key", "name"),
    ("error_code", "E1001"),
    ("product_code", "ABC-1234"),
    ("sku", "TSHIRT-RED-XL"),
    ("isbn", "978-3-16-148410-0"),
    ("filter", "status eq active"),
    ("compass", "north"),
    ("secretary", "Mary Major"),
    ("cursor", "eyJpZCI6MTIzLCJvIjoicHJldiJ9"),
];

struct Names {
    headers: &'static str,
    cookies: &'static str,
    arguments: &'static str,
    fields: &'static str,
}

/// As unlike the others as could be found, national languages among them.
const FIFTH: Names = Names {
    headers: "\
        X-Vault-Token X-Gitlab-Token X-Hub-Signature-256 X-Amz-Security-Token X-Shopify-Access-Token \
        X-Figma-Token PRIVATE-TOKEN X-Plex-Token X-Emby-Token X-Api-Key Ocp-Apim-Subscription-Key \
        X-Consul-Token X-Nomad-Token X-Auth-Email-Code X-Twilio-Signature Stripe-Signature X-Slack-Signature \
        X-Line-Signature X-Telegram-Bot-Api-Secret-Token X-Zendesk-Marketplace-Key X-Postmark-Server-Token \
        X-Algolia-API-Key X-Typesense-Api-Key X-Meili-Api-Key apikey X-Parse-REST-API-Key X-Parse-Master-Key \
        X-Parse-Session-Token X-Firebase-AppCheck X-Goog-Iap-Jwt-Assertion Cf-Access-Jwt-Assertion \
        CF-Access-Client-Secret X-Akamai-Edge-Auth X-Ms-Token-Aad-Access-Token X-Ms-Client-Principal \
        X-Original-Authorization X-Forwarded-Access-Token X-Remote-User-Password X-Basic-Auth \
        X-Nextcloud-Apppassword OCS-Token X-Rundeck-Auth-Token X-Octopus-ApiKey X-JFrog-Art-Api \
        X-Artifactory-Apikey X-NuGet-ApiKey Circle-Token X-TransactionPin X-Device-Passkey X-Sudo-Mode-Code \
        X-Dynatrace-Token DD-API-KEY X-Honeycomb-Team X-Sentry-Auth X-Rollbar-Access-Token \
        X-Newrelic-License Api-Access X-Wallet-Mnemonic",
    cookies: "\
        PHPSESSID laravel_token remember_web_59ba wordpress_sec_abc connect.sid koa.sess koa.sess.sig \
        _gitlab_session user_session __Host-user_session_same_site SSID HSID SAPISID __Secure-1PSID li_at \
        auth_token ct0 xs datr sb reddit_session token_v2 d atlassian.xsrf.token cloud.session.token \
        JSESSIONID ASP.NET_SessionId .ASPXAUTH .AspNetCore.Identity.Application FedAuth rtFa ESTSAUTH \
        idsrv.session KEYCLOAK_IDENTITY AUTH_SESSION_ID okta-oauth-state sid auth0 did appSession.0 \
        next-auth.session-token supabase-auth-token sb-xyz-auth-token.0 __session frontend form_key \
        PrestaShop-abc OCSESSID cart_sig secure_customer_sig grafana_session metabase.SESSION superset \
        csrftoken vaultToken JSESSIONID.1a2b moodlesession MOODLEID1_ bb_password phpbb3_k xf_user \
        ips4_pass_hash mybbuser flarum_remember",
    arguments: "\
        access_token id_token_hint refresh_token code client_assertion device_code user_code X-Amz-Signature \
        X-Amz-Credential X-Goog-Signature Signature Key-Pair-Id sig hdnts resetToken verify_code \
        confirmation_token invitation_token unlock_token magic ticket pgtId SAMLRequest RelayState key \
        api_key apiKey appid access_key wskey auth_key hapikey password pwd passwd PIN otp totp_code \
        sms_code authCode twoFactor g-recaptcha-response h-captcha-response cf-turnstile-response \
        __RequestVerificationToken _csrf authenticity_token _wpnonce sessionid sessID SID zoom_zak pwdHash \
        share_key sharing_link_pass guest_pass wifi_pass",
    fields: "\
        new_password confirmPassword current-password old_pwd pass1 pass2 user_pass log_pwd cardNumber \
        card_cvc securityCode cvv2 iban accountNumber sortCode routing_number ssn socialSecurityNumber taxId \
        passportNumber driverLicense nationalInsuranceNumber pesel codiceFiscale dni cpf securityAnswer \
        mothersMaidenName secretQuestionAnswer pinCode transactionPassword backupCode recovery_code \
        privateKey seedPhrase mnemonic passphrase smtpPassword db_password ldapBindPassword clientSecret \
        webhook_secret signingSecret encryptionKey masterKey sshKey gpg_passphrase licenseKey serialKey \
        activationCode giftCardCode promoSecret bearer sessionToken csrf_token verificationCode emailCode \
        smsOtp mfaCode tfa_code authenticatorCode passCode unlockPattern wifiKey wpaPassphrase \
        connectionString dsn user[password] auth[pass] loginPw kennwort motDePasse contrasena senha \
        wachtwoord haslo lozinka heslo salasana losenord adgangskode passord jelszo slaptazodis parool sifre \
        matkhau",
};

const VALUES: &[&str] = &["Zq000000000000000000000000000007", "k7Qx-29fLm3", "hunter2secret"];

fn text(content: FullContent, exchange: &FakeExchange) -> String {
    let mut secrets = Secrets::default();
    secrets.clear();
    serde_json::to_string(&shown(&[], &[], content, exchange, &mut secrets)).unwrap()
}

fn with(place: &str, name: &str, value: &str) -> FakeExchange {
    let get = FakeExchange::get("/x");
    let form = "application/x-www-form-urlencoded";
    match place {
        "headers" => get.header(name, value),
        "cookies" => get.header("Cookie", format!("{name}={value}")),
        "arguments" => FakeExchange::get(&format!("/x?a=1&{name}={}", value.replace(' ', "+"))),
        "forms" => get.body(form, format!("a=1&{name}={}", value.replace(' ', "+"))),
        _ => get.body("application/json", serde_json::json!({"a": 1, name: value}).to_string()),
    }
}

#[test]
fn of_real_names_at_most_two_in_a_hundred_are_shown() {
    for (set, names) in
        [("F01", F01), ("others", OTHERS), ("third", THIRD), ("fourth", FOURTH), ("fifth", FIFTH)]
    {
        for value in VALUES {
            let (mut clear, mut all, mut of_all) = (Vec::new(), 0, 0);
            let Names { headers, cookies, arguments, fields } = &names;
            for (place, list) in [
                ("headers", headers),
                ("cookies", cookies),
                ("arguments", arguments),
                ("forms", fields),
                ("json", fields),
            ] {
                for name in list.split_whitespace() {
                    all += 1;
                    let known = text(FullContent::All, &with(place, name, value));
                    of_all += usize::from(known.contains(value));
                    if text(FullContent::Redacted, &with(place, name, value)).contains(value) {
                        clear.push(format!("{place} {name}"));
                    }
                }
            }
            println!(
                "{set}, {value}: {} of {all} in clear: {clear:?}; by known names {of_all}",
                clear.len()
            );
            assert!(clear.len() * 50 <= all, "{set}: {} of {all} in clear: {clear:?}", clear.len());
        }
    }
}

#[test]
fn of_harmless_names_at_most_five_in_a_hundred_are_hidden() {
    for place in ["arguments", "forms", "json"] {
        let is_hidden = |name: &str, value: &str| {
            let shown = text(FullContent::Redacted, &with(place, name, value));
            shown.contains("[hash:") || shown.contains("[hidden]")
        };
        let hidden: Vec<_> = HARMLESS
            .iter()
            .chain(HARMLESS_TOO)
            .filter(|(name, value)| is_hidden(name, value))
            .collect();
        let all = HARMLESS.len() + HARMLESS_TOO.len();
        println!("{place}: {} of {} hidden: {hidden:?}", hidden.len(), all);
        assert!(hidden.len() * 20 <= all, "{place}: {hidden:?}");
    }
}
