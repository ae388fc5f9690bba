package identity

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/store"
)

const (
	// groupsMax bounds the groups of a person, which are stored with each session.
	groupsMax = 2000
	nameMax   = 300
)

// claims are the members of an ID token or of a userinfo response.
type claims map[string]json.RawMessage

func (c claims) text(name string) string {
	var text string
	if json.Unmarshal(c[name], &text) != nil {
		return ""
	}
	return strings.TrimSpace(text)
}

// flag reads a boolean, which some providers send as text.
func (c claims) flag(name string) bool {
	raw := string(c[name])
	return raw == "true" || raw == `"true"`
}

// value returns the claim of that name, or the one that its dotted path leads to.
func (c claims) value(path string) json.RawMessage {
	if raw, ok := c[path]; ok {
		return raw
	}
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		return nil
	}
	var inner claims
	if json.Unmarshal(c[name], &inner) != nil {
		return nil
	}
	return inner.value(rest)
}

// groups returns the groups in the claim; found is false if there is no such claim.
func (c claims) groups(path string) (groups []string, found bool, err error) {
	if raw := c.value(path); raw != nil && string(raw) != "null" {
		groups, err := parseGroups(raw)
		if err != nil {
			return nil, true, fmt.Errorf("claim %q: %w", path, err)
		}
		return groups, true, nil
	}
	// Providers that have too many groups for a token say where to ask for them instead.
	var elsewhere map[string]json.RawMessage
	if json.Unmarshal(c["_claim_names"], &elsewhere) == nil && elsewhere[path] != nil {
		return nil, false, fmt.Errorf("claim %q: the person has too many groups for a token; "+
			"let the provider send only the groups that are assigned to Berth", path)
	}
	return nil, false, nil
}

func parseGroups(raw json.RawMessage) ([]string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil, fmt.Errorf("want a list of texts")
	}
	if len(list) > groupsMax {
		return nil, fmt.Errorf("it has %d groups, more than %d; "+
			"let the provider send only the groups that are assigned to Berth", len(list), groupsMax)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// person reads the person from claims whose issuer and subject were checked.
func (c Config) person(issuer, subject string, from claims, groups []string) store.Person {
	p := store.Person{
		Issuer: issuer, Subject: subject, Email: strings.ToLower(from.text("email")), Name: from.text("name"),
		Groups: groups, ProviderSession: clip(from.text("sid")),
	}
	p.EmailVerified = p.Email != "" && (from.flag("email_verified") || c.TrustEmail)
	if p.Name == "" {
		p.Name = from.text("preferred_username")
	}
	p.Name, p.Email = clip(p.Name), clip(p.Email)
	// The audit names a person by what the provider vouches for. An unverified address may be another
	// person's, so that it never becomes the name.
	p.Actor = "user " + subject
	if p.EmailVerified {
		p.Actor = p.Email
	}
	return p
}

func clip(text string) string {
	if len(text) > nameMax {
		return strings.ToValidUTF8(text[:nameMax], "")
	}
	return text
}

// allowed refuses a person whose email address has none of the allowed domains.
func (c Config) allowed(p store.Person) error {
	if len(c.AllowedDomains) == 0 {
		return nil
	}
	_, domain, ok := strings.Cut(p.Email, "@")
	switch {
	case !p.EmailVerified || !ok:
		return fmt.Errorf("the provider did not confirm an email address, and only people of %s may sign in",
			strings.Join(c.AllowedDomains, ", "))
	case !slices.Contains(c.AllowedDomains, domain):
		return fmt.Errorf("%s may not sign in: only people of %s may", p.Email, strings.Join(c.AllowedDomains, ", "))
	}
	return nil
}
