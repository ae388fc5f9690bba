package trust

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

const ownURL = "https://berth.example.com"

func TestRulesThatTrustTooMuchAreRefused(t *testing.T) {
	keys := oidctest.Start(t).KeySet(t)
	private := []byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}`)
	weak := []byte(`{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 171) + `w"}]}`)
	for name, test := range map[string]struct {
		change func(*store.TrustRule)
		want   string // pointer and part of the message; empty if the rule is good
	}{
		"good":                         {func(*store.TrustRule) {}, ""},
		"an issuer without TLS":        {func(r *store.TrustRule) { r.Issuer = "http://issuer.example.com" }, "/issuer want https"},
		"an issuer of this machine":    {func(r *store.TrustRule) { r.Issuer = "http://127.0.0.1:1" }, ""},
		"an issuer with a password":    {func(r *store.TrustRule) { r.Issuer = "https://a:b@issuer.example.com" }, "/issuer"},
		"an issuer with a query":       {func(r *store.TrustRule) { r.Issuer = "https://issuer.example.com?x" }, "/issuer"},
		"an issuer with a file":        {func(r *store.TrustRule) { r.Issuer = "file:///etc/passwd" }, "/issuer"},
		"an issuer with a line break":  {func(r *store.TrustRule) { r.Issuer = "https://issuer.example.com/\nx" }, "/issuer"},
		"this server":                  {func(r *store.TrustRule) { r.Issuer = ownURL }, "/issuer this server is the issuer"},
		"this server, spelt otherwise": {func(r *store.TrustRule) { r.Issuer = "HTTPS://Berth.example.com/" }, "/issuer this server"},
		"this server, with keys":       {func(r *store.TrustRule) { r.Issuer, r.Keys = ownURL, keys }, "/issuer this server"},
		"no condition on a subject": {
			func(r *store.TrustRule) { r.Claims = map[string][]string{"ref": {"refs/heads/main"}} }, "/claims no condition",
		},
		"everybody of GitHub": {func(r *store.TrustRule) { r.Claims["sub"] = []string{"repo:*"} }, "/claims/sub/0"},
		"everybody, beside somebody": {
			func(r *store.TrustRule) { r.Claims["sub"] = []string{"repo:acme/etl", "**"} }, "/claims/sub/1",
		},
		"all service accounts": {
			func(r *store.TrustRule) { r.Claims = map[string][]string{"kubernetes.io/namespace": {"*"}} },
			"/claims/kubernetes.io~1namespace/0",
		},
		"a claim without a name":      {func(r *store.TrustRule) { r.Claims[""] = []string{"x"} }, "/claims the name of a claim"},
		"a claim with a line break":   {func(r *store.TrustRule) { r.Claims["a\nb"] = []string{"x"} }, "/claims the name of a claim"},
		"an audience with a space":    {func(r *store.TrustRule) { r.Audience = "a b" }, "/audience"},
		"a condition without pattern": {func(r *store.TrustRule) { r.Claims["ref"] = nil }, "/claims/ref has no pattern"},
		"a condition on the issuer":   {func(r *store.TrustRule) { r.Claims["iss"] = []string{"x"} }, "/claims/iss"},
		"the role admin": {
			func(r *store.TrustRule) {
				r.Bindings = []store.Binding{{Role: "viewer", Pool: "p"}, {Role: "admin", Pool: "p"}}
			},
			"/bindings/1/role a trust rule cannot give the role admin",
		},
		"the role worker":      {func(r *store.TrustRule) { r.Bindings[0].Role = "worker" }, "/bindings/0/role"},
		"literal keys":         {func(r *store.TrustRule) { r.Issuer, r.Keys = "kubernetes/serviceaccount", keys }, ""},
		"a secret as key":      {func(r *store.TrustRule) { r.Keys = private }, "/keys has a private or symmetric key"},
		"a key that is weak":   {func(r *store.TrustRule) { r.Keys = weak }, "/keys key 0 has"},
		"no keys":              {func(r *store.TrustRule) { r.Keys = []byte(`{"keys":[]}`) }, "/keys has no keys"},
		"keys that are a text": {func(r *store.TrustRule) { r.Keys = []byte(`"x"`) }, "/keys is not a JSON Web Key Set"},
		"no certificate":       {func(r *store.TrustRule) { r.Authorities = "x" }, "/authorities it has no PEM certificate"},
	} {
		rule := store.TrustRule{
			Name: "t", Issuer: "https://issuer.example.com", Claims: map[string][]string{"sub": {"repo:acme/etl:*"}},
			Bindings: []store.Binding{{Role: "deployer", Pool: "p"}},
		}
		test.change(&rule)
		checked, err := Check(rule, ownURL)
		var refusal *problem.Error
		got := ""
		if errors.As(err, &refusal) {
			for _, f := range refusal.Findings {
				got += fmt.Sprintf("%s %s\n", f.Pointer, f.Message)
			}
		}
		switch {
		case test.want == "" && (err != nil || checked.Audience != ownURL || checked.Lifetime != DefaultLifetime):
			t.Errorf("%s: %v: %s (%+v)", name, err, got, checked)
		case test.want != "" && !strings.Contains(got, test.want):
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	if _, err := Check(store.TrustRule{Name: "t", Issuer: "https://x.y", Claims: map[string][]string{"sub": {"a"}}}, ""); err == nil {
		t.Error("a rule without an audience is accepted")
	}
}
