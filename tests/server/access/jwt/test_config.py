"""AuthenticationConfiguration: faults in the words of apiserver's `validation.go`."""

import pytest
import yaml

from umiak.api.configuration import Unacceptable
from umiak.server.access.jwt.config import Anonymous, checked, initial, load, validate
from umiak.server.access.settings import AccessSettings, OidcSettings

ISSUER = {"url": "https://issuer.example.com", "audiences": ["me"]}
USERNAME = {"claim": "sub", "prefix": "x:"}


def jwt(issuer=None, mappings=None, **more):
    return {"issuer": {**ISSUER, **(issuer or {})}, "claimMappings": {"username": USERNAME, **(mappings or {})}, **more}


def expressed(text):
    return {"username": {"expression": text}}


def extra(key, text="'x'"):
    return {"extra": [{"key": key, "valueExpression": text}]}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        pytest.param([jwt()], [], id="good"),
        pytest.param([jwt({"url": ""})], ["jwt[0].issuer.url: Required value"], id="no url"),
        pytest.param(
            [jwt({"url": "http://a"})],
            ['jwt[0].issuer.url: Invalid value: "http://a": URL scheme must be https'],
            id="plain http",
        ),
        pytest.param(
            [jwt({"url": "https://u:p@a?q#f"})],
            [
                'jwt[0].issuer.url: Invalid value: "https://u:p@a?q#f": URL must not contain a username or password',
                'jwt[0].issuer.url: Invalid value: "https://u:p@a?q#f": URL must not contain a query',
                'jwt[0].issuer.url: Invalid value: "https://u:p@a?q#f": URL must not contain a fragment',
            ],
            id="too much in the url",
        ),
        pytest.param(
            [jwt({"discoveryURL": "https://issuer.example.com/"})],
            [
                'jwt[0].issuer.discoveryURL: Invalid value: "https://issuer.example.com/": '
                "discoveryURL must be different from URL"
            ],
            id="same discovery",
        ),
        pytest.param(
            [jwt(), jwt()],
            ['jwt[1].issuer.url: Duplicate value: "https://issuer.example.com"'],
            id="issuer twice",
        ),
        pytest.param(
            [jwt({"audiences": []})],
            ["jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required"],
            id="no audience",
        ),
        pytest.param(
            [jwt({"audiences": ["a", "a"]})],
            [
                'jwt[0].issuer.audiences[1]: Duplicate value: "a"',
                'jwt[0].issuer.audienceMatchPolicy: Invalid value: "": '
                "audienceMatchPolicy must be MatchAny for multiple audiences",
            ],
            id="audience twice",
        ),
        pytest.param(
            [jwt({"certificateAuthority": "nonsense"})],
            [
                'jwt[0].issuer.certificateAuthority: Invalid value: "<omitted>": '
                "data does not contain any valid RSA or ECDSA certificates"
            ],
            id="no authority",
        ),
        pytest.param(
            [jwt(claimValidationRules=[{"claim": "a", "expression": "true"}, {}, {"claim": "b", "message": "m"}])],
            [
                'jwt[0].claimValidationRules[0]: Invalid value: "a": claim and expression can\'t both be set',
                "jwt[0].claimValidationRules[1]: Required value: claim or expression is required",
                'jwt[0].claimValidationRules[2].message: Invalid value: "m": may not be specified when claim is set',
            ],
            id="rules",
        ),
        pytest.param(
            [jwt(claimValidationRules=[{"expression": "claims.a == 'b'"}, {"expression": "'x'"}])],
            ["jwt[0].claimValidationRules[1].expression: Invalid value: \"'x'\": must evaluate to bool"],
            id="a rule that is no condition",
        ),
        pytest.param(
            [jwt(mappings={"username": {}})],
            ["jwt[0].claimMappings.username: Required value: claim or expression is required"],
            id="no user name",
        ),
        pytest.param(
            [jwt(mappings={"username": {"claim": "sub"}})],
            [
                "jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. "
                "It can be set to an empty string to disable prefixing"
            ],
            id="no prefix",
        ),
        pytest.param(
            [jwt(mappings=expressed("claims.email"))],
            [
                'jwt[0].claimMappings.username.expression: Invalid value: "claims.email": '
                "claims.email_verified must be used in claimMappings.username.expression or "
                "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is "
                "used in claimMappings.username.expression"
            ],
            id="nobody looks whether the mail address is verified",
        ),
        pytest.param(
            [jwt(mappings=expressed("claims.?email.orValue('') + string(claims.?email_verified.orValue(false))"))],
            [],
            id="somebody looks",
        ),
        pytest.param(
            [jwt(mappings=extra("example.com/X"))],
            ['jwt[0].claimMappings.extra[0].key: Invalid value: "example.com/X": must be lowercase'],
            id="upper case",
        ),
        pytest.param(
            [jwt(mappings=extra("a.k8s.io/x"))],
            [
                'jwt[0].claimMappings.extra[0].key: Invalid value: "a.k8s.io/x": '
                "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
            ],
            id="reserved",
        ),
        pytest.param(
            [jwt(mappings=extra("plain", ""))],
            [
                'jwt[0].claimMappings.extra[0].key: Invalid value: "plain": '
                'must be a domain-prefixed path (such as "acme.io/foo")',
                "jwt[0].claimMappings.extra[0].valueExpression: Required value",
            ],
            id="no domain",
        ),
        pytest.param(
            [jwt(userValidationRules=[{}, {"expression": "user.username == 'a'"}, {"expression": "user.name"}])],
            [
                "jwt[0].userValidationRules[0].expression: Required value",
                'jwt[0].userValidationRules[2].expression: Invalid value: "user.name": compilation failed: '
                "ERROR: <input>:1:5: undefined field 'name'\n | user.name\n | ....^",
            ],
            id="rules on the user",
        ),
        pytest.param(
            [jwt({"url": f"https://{i}"}) for i in range(65)],
            ["jwt: Too many: 65: must have at most 64 items"],
            id="too many",
        ),
    ],
)
def test_faults(found, why):
    assert [str(fault) for fault in validate({"jwt": found})] == why


def file(**content):
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
    return yaml.safe_dump({**head, **content}).encode()


def test_own_issuers_may_not_be_configured():
    with pytest.raises(Unacceptable, match="URL must not overlap with disallowed issuers"):
        checked({"jwt": [jwt()]}, [ISSUER["url"]])


def test_there_are_no_egress_selectors():
    with pytest.raises(Unacceptable, match='oidc: egress lookup required with egress selector type "cluster"'):
        checked({"jwt": [jwt({"egressSelectorType": "cluster"})]})
    with pytest.raises(Unacceptable, match="egress selector must be either controlplane or cluster"):
        checked({"jwt": [jwt({"egressSelectorType": "moon"})]})


def test_anonymous_is_settled_at_the_start():
    before = checked(load(file(anonymous={"enabled": True, "conditions": [{"path": "/livez"}]})))
    assert before.anonymous == Anonymous(True, frozenset({"/livez"}))
    with pytest.raises(Unacceptable, match="anonymous: Forbidden: changed from initial configuration file"):
        checked(load(file(anonymous={"enabled": False})), before=before)
    with pytest.raises(Unacceptable, match="enabled should be set to true when conditions are defined"):
        checked(load(file(anonymous={"conditions": [{"path": "/livez"}]})))


def test_the_flags_are_the_short_form():
    oidc = OidcSettings(issuer_url="https://i", client_id="me", groups_claim="groups", required_claims=(("hd", "x"),))
    configuration, _ = initial(AccessSettings(oidc=oidc), ())
    (one,) = configuration.issuers
    assert one["issuer"] == {"url": "https://i", "audiences": ["me"]}
    assert one["claimMappings"]["username"] == {"claim": "sub", "prefix": "https://i#"}
    assert one["claimMappings"]["groups"] == {"claim": "groups", "prefix": ""}
    assert one["claimValidationRules"] == [{"claim": "hd", "requiredValue": "x"}]
    assert configuration.algorithms == ("RS256",)


@pytest.mark.parametrize(
    ("oidc", "why"),
    [
        ({"issuer_url": "https://i"}, "oidc-issuer-url and oidc-client-id must be specified together"),
        ({"issuer_url": "https://i", "client_id": "c", "signing_algs": ("none",)}, 'unsupported signing alg: "none"'),
    ],
)
def test_faults_of_flags(oidc, why):
    with pytest.raises(Unacceptable, match=why):
        initial(AccessSettings(oidc=OidcSettings(**oidc)), ())


def test_file_and_flags_exclude_each_other(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(file(anonymous={"enabled": True}))
    with pytest.raises(Unacceptable, match="are mutually exclusive"):
        initial(AccessSettings(authentication_config=path, oidc=OidcSettings(issuer_url="https://i")), ())
    with pytest.raises(Unacceptable, match="--anonymous-auth flag cannot be set"):
        initial(AccessSettings(authentication_config=path, anonymous=False), ())
