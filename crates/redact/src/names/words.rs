//! Words by which names are judged, in lower case.

use std::collections::HashMap;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::limits::MAX_SECRET_WORD_BYTES;

/// The lists that a word may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Secret,
    Words,
    Numbers,
    Metadata,
    HarmlessBeforeKey,
    SecretBeforeKey,
    HarmlessBeforeCode,
    SecretBeforeCode,
    CompoundHeads,
    CompoundEnds,
    NoCompounds,
}

static LISTS: LazyLock<HashMap<&'static [u8], u16>> = LazyLock::new(|| {
    let lists = [
        (List::Secret, SECRET),
        (List::Words, WORDS),
        (List::Numbers, NUMBERS),
        (List::Metadata, METADATA),
        (List::HarmlessBeforeKey, HARMLESS_BEFORE_KEY),
        (List::SecretBeforeKey, SECRET_BEFORE_KEY),
        (List::HarmlessBeforeCode, HARMLESS_BEFORE_CODE),
        (List::SecretBeforeCode, SECRET_BEFORE_CODE),
        (List::CompoundHeads, COMPOUND_HEADS),
        (List::CompoundEnds, COMPOUND_ENDS),
        (List::NoCompounds, NO_COMPOUNDS),
    ];
    let mut all = HashMap::new();
    for (list, words) in lists {
        for word in words {
            *all.entry(*word).or_default() |= 1 << list as u16;
        }
    }
    all
});
/// `None` if it fails to build, which a test rules out.
static INSIDE_OF: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(INSIDE).ok());
static NOT_INSIDE_OF: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(NOT_INSIDE).ok());

/// Whether a word is in a list.
pub(super) fn is_in(word: &[u8], list: List) -> bool {
    !word.is_empty()
        && word.len() <= MAX_SECRET_WORD_BYTES
        && LISTS.get(word).is_some_and(|lists| lists & 1 << list as u16 != 0)
}

/// Whether a part contains a word that occurs almost only in names of secrets.
pub(super) fn is_inside(part: &[u8]) -> bool {
    let holds =
        |words: &Option<AhoCorasick>| words.as_ref().is_some_and(|words| words.is_match(part));
    part.len() > 4 && holds(&INSIDE_OF) && !holds(&NOT_INSIDE_OF)
}

/// Builds the lists, so that no request waits for them.
pub(super) fn prepare() {
    let built = INSIDE_OF.is_some() && NOT_INSIDE_OF.is_some();
    debug_assert!(built && LISTS.keys().all(|word| word.len() <= MAX_SECRET_WORD_BYTES));
}

/// A list of words as bytes.
macro_rules! words {
    ($($word:literal)*) => { &[$($word.as_bytes()),*] };
}

/// Secret as a part of any name.
const SECRET: &[&[u8]] = words![
    "password" "passwords" "passwd" "passwort" "passphrase" "passcode" "pwd" "pass" "pw" "psw" "pswd" "psswd"
    "passw" "userpass" "kennwort" "contrasena" "senha" "clave" "wachtwoord" "parola" "haslo" "heslo" "mdp"
    "motdepasse" "losenord" "salasana" "sifre" "parool"
    "secret" "secrets" "token" "jwt" "jwe" "jws" "bearer" "credential" "credentials" "cred" "creds"
    "signature" "signatures" "sig" "hmac" "otp" "totp" "hotp" "mfa" "tfa" "pin" "cvv" "cvc" "cvn" "csc" "cav"
    "auth" "authorization" "authorisation" "authentication" "authenticator" "authn" "authz"
    "session" "sess" "sid" "sessid" "cookie" "cookies" "csrf" "xsrf" "crumb" "nonce" "wpnonce" "pgtiou" "passe" "geheim" "geheimnis" "tok" "tkn" "mpin" "tpin" "aadhaar" "nino" "dpop"
    "assertion" "saml" "samlart" "wresult" "wsse" "iban" "ssn" "passport" "cardnumber" "cardno" "ccnum"
    "ccnumber" "creditcard" "apikey" "appkey" "authkey" "accesskey" "privatekey" "secretkey" "pinblock"
    "mnemonic" "seedphrase" "privkey" "verifier" "hdnea" "hdnts" "hdntl" "kerberos" "spnego" "ntlm" "lmhash"
    "nthash" "macaroon" "biscuit" "unlock" "dsn" "tgt" "castgc" "tgc" "sso" "cftoken" "cfid" "zenid" "psk"
    "pgt" "wskey" "zak" "twofactor" "sortcode" "pesel" "cpf" "curp" "bsn" "dni" "lozinka" "adgangskode" "passord" "jelszo"
    "slaptazodis" "matkhau" "pswrd" "passwrd" "pword" "ccv" "emv" "kubeconfig" "sas" "onetime" "itin" "accessid"
    "skey" "zpw" "otk" "ott" "safeword" "codeword"
];

/// Secret in most products: the value is shown if it consists of words.
const WORDS: &[&[u8]] = words![
    "key" "keys" "code" "codes" "pan" "invite" "invitation" "magic" "salt" "seed" "private" "recovery" "oauth"
    "pem" "challenge" "captcha" "recaptcha" "hcaptcha" "turnstile" "ein" "sk" "wctx" "viewstate" "eventvalidation" "puk" "tan" "tac" "voucher" "swift" "oob" "remember"
    "reset" "activation" "confirmation"
];

/// Secret in some products: the value is shown if it consists of words or numbers.
const NUMBERS: &[&[u8]] = words![
    "card" "cards" "cc" "ticket" "tickets" "tokens" "hash" "digest" "sign" "mac" "state" "access" "refresh"
    "gift" "appid" "license" "licence" "sessions" "identity" "cert" "certificate" "relay" "login"
    "logintoken" "proof" "answer" "verification" "webhook" "connection" "signed" "signedrequest"
];

/// Secret as a pair: the second word follows the first.
pub(super) const SECRET_PAIRS: &[(&[u8], &[u8])] = &[
    (b"card", b"number"),
    (b"card", b"no"),
    (b"card", b"num"),
    (b"cc", b"number"),
    (b"cc", b"num"),
    (b"cc", b"no"),
    (b"account", b"number"),
    (b"account", b"no"),
    (b"routing", b"number"),
    (b"security", b"answer"),
    (b"secret", b"answer"),
    (b"social", b"security"),
    (b"tax", b"id"),
    (b"national", b"id"),
    (b"codice", b"fiscale"),
    (b"maiden", b"name"),
    (b"memorable", b"word"),
    (b"wallet", b"phrase"),
    (b"account", b"num"),
    (b"acct", b"number"),
    (b"acct", b"num"),
    (b"acct", b"no"),
    (b"routing", b"num"),
    (b"routing", b"no"),
    (b"social", b"sec"),
    (b"taxpayer", b"id"),
    (b"permit", b"number"),
    (b"safe", b"word"),
    (b"backup", b"phrase"),
    (b"snmp", b"community"),
    (b"sin", b"number"),
    (b"voter", b"id"),
    (b"medicare", b"number"),
    (b"nhs", b"number"),
    (b"sort", b"code"),
    (b"national", b"insurance"),
    (b"identity", b"number"),
    (b"licence", b"number"),
    (b"license", b"number"),
    (b"recovery", b"phrase"),
    (b"seed", b"phrase"),
    (b"one", b"time"),
    (b"mot", b"passe"),
    (b"magic", b"link"),
    (b"connection", b"string"),
    (b"wp", b"rememberme"),
    (b"remember", b"me"),
    (b"key", b"pair"),
    (b"access", b"id"),
    (b"logged", b"in"),
    (b"login", b"hash"),
];

/// Last words of names that describe a property of a secret, not the secret.
const METADATA: &[&[u8]] = words![
    "count" "counts" "total" "type" "types" "length" "len" "size" "min" "max" "minimum" "maximum" "limit" "ttl"
    "expires" "expiry" "expiration" "expire" "expired" "in" "at" "on" "age" "days" "hours" "minutes" "seconds"
    "timeout" "duration" "enabled" "disabled" "required" "strength" "policy" "method" "provider" "endpoint"
    "version" "format" "alg" "algorithm" "status" "label" "title" "description" "name" "kind" "mode" "scheme"
    "scope" "scopes" "issuer" "audience" "usage" "used" "order" "index" "page" "brand" "network" "country"
    "language" "date" "time" "timestamp" "created" "updated" "month" "year" "display" "color" "colour" "layout"
    "style" "position" "list" "uri" "url" "path" "domain" "dir" "lifetime" "retries" "attempts" "field"
];

/// Words before `key` that make it an identifier, not a secret.
const HARMLESS_BEFORE_KEY: &[&[u8]] = words![
    "sort" "primary" "foreign" "public" "partition" "row" "range" "cache" "object" "group" "i18n" "translation"
    "message" "lookup" "index" "map" "routing" "idempotency" "natural" "unique" "event" "filter" "search"
    "property" "attribute" "data" "parent" "issue" "project" "page" "column" "field" "dedup" "dedupe" "legend"
    "arrow" "hot" "shortcut" "musical" "item" "order" "product" "category" "tag" "label" "locale" "menu" "tab"
    "entity" "record" "composite" "candidate" "business" "surrogate" "metric" "series" "option" "setting"
    "config" "flag" "feature" "experiment" "analytics" "answer" "image" "file" "folder" "topic" "queue" "space"
    "board" "theme" "color" "state" "status" "type" "enum" "json" "dict" "hash" "bucket" "tracking" "last"
    "start" "next" "end" "marker" "exclusive" "sec"
];

/// Words before `key` that make it a secret.
const SECRET_BEFORE_KEY: &[&[u8]] = words![
    "api" "access" "secret" "private" "auth" "authorization" "encryption" "encrypt" "decryption" "signing" "sign"
    "master" "license" "licence" "subscription" "app" "application" "consumer" "account" "storage" "shared" "host"
    "functions" "function" "ssh" "pgp" "gpg" "aes" "rsa" "hmac" "crypto" "session" "sess" "service" "server"
    "client" "dev" "developer" "deploy" "deployment" "integration" "write" "read" "admin" "root" "user"
    "activation" "recovery" "backup" "wallet" "webhook" "device" "registration" "machine" "site" "security"
    "stream" "rtmp" "publish" "publishable" "rest" "ingest" "ingestion" "instrumentation" "team" "tenant"
    "partner" "merchant" "vendor" "gateway" "maps" "sdk" "xml" "web" "bot" "agent" "pass" "login" "reset"
    "confirm" "confirmation" "verification" "unlock" "join" "invite" "feed" "push" "vapid" "server" "wpa" "wep"
    "psk" "pre" "symmetric" "mac" "transaction" "apim" "h" "x" "open" "openai" "anthropic" "stripe" "sendgrid"
    "hub" "sas" "policy" "meta" "nuget" "artifactory" "jfrog" "datadog" "dd" "honeycomb" "newrelic" "insert"
    "query" "management" "personal" "my" "the" "rapidapi" "mashape" "tyk" "kong" "ocp"
];

/// Words before `code` that make it a value of a known list, not a secret.
const HARMLESS_BEFORE_CODE: &[&[u8]] = words![
    "country" "zip" "postal" "post" "status" "error" "err" "language" "lang" "currency" "product" "promo"
    "promotion" "promotional" "coupon" "discount" "referral" "campaign" "area" "dial" "dialing" "calling" "phone"
    "airport" "airline" "carrier" "region" "state" "province" "city" "county" "district" "http" "response" "result"
    "return" "exit" "color" "colour" "item" "sku" "bar" "qr" "source" "machine" "dress" "hs" "tax" "vat" "mcc"
    "sort" "bank" "branch" "department" "course" "event" "reason" "locale" "iso" "station" "unit" "char" "charset"
    "category" "class" "type" "group" "version" "block" "warehouse" "store" "shop" "plant" "company" "customer"
    "supplier" "vendor" "material" "article" "part" "size" "style" "model" "make" "fare" "flight" "hotel" "room"
    "rate" "iata" "icao" "icd" "cpt" "naics" "sic" "nace" "fips" "gl" "cost" "key" "op" "opt" "sub" "short"
    "morse" "byte" "html" "embed" "sample" "message" "msg" "action" "permission" "role" "priority" "condition"
    "cancel" "cancellation" "network" "site" "office" "job" "project" "task" "lesson" "term" "school" "plan"
    "tariff" "offer" "affiliate" "partner" "market" "channel" "service" "transaction" "payment" "shipping" "weather"
    "gender" "title" "timezone" "exchange" "stock" "ticker" "symbol"
];

/// Words before `code` that make it a secret.
const SECRET_BEFORE_CODE: &[&[u8]] = words![
    "auth" "authorization" "access" "security" "verification" "verify" "activation" "activate" "confirmation"
    "confirm" "recovery" "backup" "reset" "login" "signin" "sms" "email" "mail" "device" "user" "pass" "invite"
    "invitation" "registration" "pin" "otp" "mfa" "totp" "oob" "gift" "voucher" "redeem" "redemption" "unlock"
    "lock" "door" "entry" "secret" "magic" "one" "time" "two" "factor" "twofactor" "challenge" "card" "pairing" "link" "join"
    "meeting" "claim" "license" "grant" "exchange" "emergency" "pickup"
];

/// Words before one of [`COMPOUND_TAILS`] in a compound without a separator.
const COMPOUND_HEADS: &[&[u8]] = words![
    "user" "usr" "my" "new" "old" "current" "cur" "confirm" "repeat" "re" "verify" "api" "app" "access" "auth"
    "client" "admin" "login" "log" "root" "db" "database" "account" "acct" "web" "site" "http" "x" "id" "email" "mail"
    "mobile" "phone" "sms" "reset" "refresh" "csrf" "device" "service" "master" "secret" "private" "shared" "sub"
    "user" "customer" "member" "bank" "debit" "credit" "security" "pay" "wp" "php" "j" "asp" "cf" "cgi" "oc" "os"
    "ojs" "zen" "sso" "cas" "consumer" "license" "licence" "session" "ssh" "signing" "encryption" "dev" "bot" "hub"
    "merchant" "activation" "verification" "invite" "pass" "pin" "oob" "h" "hapi" "v" "check" "sec" "seed" "recovery" "backup" "card" "atm" "upi" "sess" "stream" "write" "read"
    "plain" "encrypted" "hashed" "tmp" "temp" "default" "ftp" "smtp" "ldap" "mysql" "wifi" "net" "remote" "confirmed"
    "second" "first" "server" "machine" "unlock" "u" "w" "host" "set" "factor" "twofactor"
];

/// Words that form compounds without a separator, longest first.
pub(super) const COMPOUND_TAILS: &[&[u8]] = words![
    "ticket" "code" "pass" "card" "cred" "hash" "auth" "sess" "keys" "key" "pwd" "pin" "otp" "sid" "sig" "pw"
];

/// Words after one of [`COMPOUND_TAILS`] in a compound without a separator.
const COMPOUND_ENDS: &[&[u8]] = words![
    "id" "key" "code" "value" "val" "hash" "no" "num" "number" "data" "str" "string" "confirm" "confirmation" "again"
    "new" "old" "phrase" "repeat" "reset" "conf" "field" "text" "check" "verify" "secret" "token" "info" "d" "guid"
];

/// Words that end in one of [`OPEN_TAILS`] and are no compounds.
const NO_COMPOUNDS: &[&[u8]] = words![
    "monkey" "turkey" "hockey" "donkey" "jockey" "whiskey" "mickey" "lackey" "decode" "encode" "unicode" "geocode"
    "transcode" "vscode" "recode" "bytecode" "compass" "bypass" "trespass" "surpass" "overpass" "underpass" "encompass"
];

/// Words that form compounds with any word of three letters or more (`roomkey`, `guestpass`).
pub(super) const OPEN_TAILS: &[&[u8]] = words!["key" "code" "pass"];

/// Secret anywhere in a part, since hardly any other word contains them.
const INSIDE: &[&[u8]] = words![
    "password" "passwd" "passwort" "passphrase" "passcode" "secret" "token" "credential" "apikey" "accesskey"
    "privatekey" "secretkey" "authkey" "signature" "session" "sessid" "sesskey" "jwt" "csrf" "xsrf" "pwd" "cvv" "saml"
    "contraseña" "contrasenya" "mot_de_passe" "kennwort" "hasło" "şifre" "пароль" "密码" "密碼" "パスワード"
    "rememberme" "authtok" "cookie" "oauthver" "aspxauth" "bearer"
];

/// Words that contain one of them but are not secret.
const NOT_INSIDE: &[&[u8]] = words![
    "secretar" "tokeniz" "tokenis" "tokens" "passwordless" "obsession" "possession" "sessions" "cookiecutter"
];
