package trust

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/openid"
	"github.com/berth-dev/berth/server/outbound"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

const (
	// DefaultLifetime is the lifetime of a key whose rule does not say one.
	DefaultLifetime = 15 * time.Minute
	// maxKeys bounds a literal key set.
	maxKeys = 20
	// claimMax bounds the name of a claim, in bytes.
	claimMax = 200
)

// Check completes a rule that is to be saved, and refuses one that would trust too much or could never match. The
// places of its findings are those of the request. own is the public URL of this server; empty if it has none.
func Check(r store.TrustRule, own string) (store.TrustRule, error) {
	c := &checker{refusal: problem.Newf(problem.TrustRuleInvalid, "trust rule %q is not valid", r.Name)}
	if r.Audience == "" {
		r.Audience = strings.TrimRight(own, "/")
	}
	if r.Lifetime == 0 {
		r.Lifetime = DefaultLifetime
	}
	c.checkKeys(&r)
	c.checkIssuer(r, own)
	if r.Audience == "" {
		c.add("/audience", "name the audience that the tokens are for; this server has no public URL to take instead")
	}
	if strings.ContainsFunc(r.Audience, unprintable) {
		c.add("/audience", "has a space or a control character")
	}
	c.checkClaims(r)
	c.checkRoles(r)
	if len(c.refusal.Findings) > 0 {
		return r, c.refusal
	}
	return r, nil
}

// checker collects what is wrong.
type checker struct{ refusal *problem.Error }

func (c *checker) add(pointer, format string, args ...any) { c.refusal.At(pointer, format, args...) }

func (c *checker) checkIssuer(r store.TrustRule, own string) {
	parsed, err := url.Parse(r.Issuer)
	switch {
	case own != "" && sameURL(r.Issuer, own):
		c.add("/issuer", "this server is the issuer: run tokens are not exchanged for keys, so that a job gets no more "+
			"than its job key; give it a key in a Secret instead")
	case strings.ContainsFunc(r.Issuer, unprintable):
		c.add("/issuer", "has a space or a control character")
	case r.Keys != nil:
		// Nothing is asked of it, so that it need not be an address.
	case openid.CheckURL(r.Issuer) != nil:
		c.add("/issuer", "%v; for an issuer whose keys cannot be read from there, give them in the rule",
			openid.CheckURL(r.Issuer))
	case err != nil || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "":
		c.add("/issuer", "want a URL without user, query and fragment, exactly as the tokens name it")
	}
	if r.Authorities == "" {
		return
	}
	if _, err := outbound.Authorities([]byte(r.Authorities)); err != nil {
		c.add("/authorities", "%v", err)
	}
	if r.Keys != nil {
		c.add("/authorities", "the keys are in the rule, so that the issuer is not asked; leave one of both out")
	}
}

// sameURL compares addresses as servers do: without a slash at the end, and any case.
func sameURL(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(b, "/"))
}

func unprintable(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// checkKeys reads a literal key set and keeps only what is public of it.
func (c *checker) checkKeys(r *store.TrustRule) {
	if len(r.Keys) == 0 || string(r.Keys) == "null" {
		r.Keys = nil
		return
	}
	set, err := parseKeys(r.Keys)
	switch {
	case err != nil:
		c.add("/keys", "%v", err)
	case len(set.Keys) > maxKeys:
		c.add("/keys", "has %d keys; at most %d are allowed", len(set.Keys), maxKeys)
	case slices.ContainsFunc(set.Keys, func(k jose.JSONWebKey) bool { return !k.IsPublic() }):
		c.add("/keys", "has a private or symmetric key: keep it secret, and give only the public keys")
	default:
		text, err := json.Marshal(set)
		if err != nil {
			c.add("/keys", "cannot be written again: %v", err)
		}
		r.Keys = text
	}
}

// checkClaims makes sure that a rule names whom it trusts. An issuer such as GitHub signs tokens for all its users.
func (c *checker) checkClaims(r store.TrustRule) {
	named := false
	for _, claim := range slices.Sorted(maps.Keys(r.Claims)) {
		at := "/claims/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(claim)
		patterns := r.Claims[claim]
		switch {
		case len(claim) > claimMax || claim == "" || strings.ContainsFunc(claim, unprintable):
			c.add("/claims", "the name of a claim is empty, longer than %d bytes, or not printable", claimMax)
			continue
		case len(patterns) == 0:
			c.add(at, "has no pattern")
		case slices.Contains([]string{"iss", "aud", "exp", "nbf", "iat", "jti"}, claim):
			c.add(at, "is checked for every token; leave it out")
		}
		if !slices.Contains(identifyingClaims(), claim) {
			continue
		}
		named = true
		for i, pattern := range patterns {
			if !identifies(pattern) {
				c.add(fmt.Sprintf("%s/%d", at, i), "%q does not say whose tokens: before the first * it must name an "+
					"owner, up to a / or :, as repo:acme/* does", pattern)
			}
		}
	}
	if !named {
		c.add("/claims", "no condition says whose tokens are trusted: add one on sub, or on one of %s",
			strings.Join(identifyingClaims()[1:], ", "))
	}
}

// checkRoles refuses roles that would outlive the rule: an admin can make keys that last, and a worker needs one.
func (c *checker) checkRoles(r store.TrustRule) {
	for i, b := range r.Bindings {
		if role := api.Role(b.Role); role == api.RoleAdmin || role == api.RoleWorker {
			c.add(fmt.Sprintf("/bindings/%d/role", i), "a trust rule cannot give the role %s; want one of %s", role,
				strings.Join(roleNames(), ", "))
		}
	}
}

func roleNames() []string {
	var names []string
	for _, role := range access.Roles() {
		if role != api.RoleAdmin && role != api.RoleWorker {
			names = append(names, string(role))
		}
	}
	return names
}
