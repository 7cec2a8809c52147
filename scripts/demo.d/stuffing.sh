# Credential stuffing: one address tries stolen passwords, one user after another. A rule of the default pack finds it,
# is tried on stored requests, and is then enforced. Sourced by scripts/demo --attack, which provides $front, $cloud,
# $token, api, say and die.

office=203.0.113.10 attacker=198.51.100.23

# login ADDRESS USER PASSWORD: prints the status. The sample API rejects the password "wrong".
login() {
    curl -sS -o /dev/null -w '%{http_code}\n' -A "$agent" -H "X-Forwarded-For: $1" -H "X-Demo-Password: $3" \
        -d "user=$2&password=$3" "$front/login?user=$2" || die "a login failed to be sent"
}

# next TEXT: announces the next step, and waits for Enter on a terminal.
next() {
    say "$1"
    [ -n "$once" ] || [ ! -t 0 ] || read -r -p '    Enter goes on ' _
}

# until_so WHAT COMMAND…: waits until a command succeeds.
until_so() {
    local what=$1
    shift
    for _ in $(seq 200); do
        "$@" && return
        sleep 0.1
    done
    die "not within 20 s: $what"
}

next "an office of twenty people logs in from one address; a few mistype their passwords. Watch $cloud/rules"
agent='Mozilla/5.0 (Windows NT 10.0)'
for n in $(seq 20); do
    [ $((n % 7)) -ne 0 ] || login $office "person$n" wrong >/dev/null
    login $office "person$n" right >/dev/null
done

next "a stuffing run: 60 users with stolen passwords from one address, none more than once"
agent='python-requests/2.31'
for n in $(seq 60); do login $attacker "victim$n" wrong; done | sort | uniq -c | sed 's/^/    answers: /'

has_hit() { api '/v1/rules/hits' | grep -q '"rule":"many-users-one-address"'; }
until_so "a hit of the default pack" has_hit
say "found: the rule many-users-one-address of the default pack has fired. It monitors, so nobody was refused"
api '/v1/rules/hits?rule=many-users-one-address' | cut -c1-200 | sed 's/^/    /'

rule='"name":"stuffing","on":"POST:/login","when":"status=401","count":"distinct:user","over":"10/10m","per":"ip","then":"deny_ip:5m"'
post() { curl -fsS -X "$1" -H "Authorization: Bearer $token" -d "$3" "$cloud$2"; }
next "tried: what a stricter rule for /login would have done so far"
tried=$(post POST /v1/rules/try "{\"rule\":{$rule}}") || die "the rule cannot be tried"
cut -c1-300 <<<"$tried" | sed 's/^/    /'
grep -q "\"subject\":\"$attacker\"" <<<"$tried" || die "it does not find the attacker"
! grep -q "\"subject\":\"$office\"" <<<"$tried" || die "it would hit the office"

next "enforced: the rule is saved for all nodes"
post PUT /v1/rules "[{$rule,\"mode\":\"enforce\"}]" >/dev/null || die "the rule cannot be saved"

say "the run goes on until it is refused"
agent='python-requests/2.31' refused=
for n in $(seq 61 400); do
    [ "$(login $attacker "victim$n" wrong)" != 403 ] || { refused=$((n - 60)); break; }
    sleep 0.02
done
[ -n "$refused" ] || die "340 more attempts were not refused"
say "attempt $refused after saving is refused with 403"
agent='Mozilla/5.0 (Windows NT 10.0)'
[ "$(login $office person1 right)" = 200 ] || die "the office is refused"
say "the office still logs in"
