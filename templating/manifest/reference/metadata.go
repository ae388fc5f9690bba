package reference

import (
	"slices"
	"strings"
)

// Kinds of keys in the metadata of a Job and its pods. A key with a domain, such as
// vault.hashicorp.com/agent-inject, is an order to whoever has the domain: admission webhooks inject Secrets,
// sidecars and identities because of one.
const (
	Label      Kind = "label"
	Annotation Kind = "annotation"
)

// ownDomains are domains whose keys order nothing, or that Berth sets itself.
var ownDomains = [...]string{"berth.dev", "app.kubernetes.io"}

// HasDomain is true for the key of a label or annotation that belongs to a domain.
func HasDomain(key string) bool {
	domain, _, ok := strings.Cut(key, "/")
	return ok && !slices.Contains(ownDomains[:], domain)
}

// allowsKey is true for a key that a list of keys has, or a domain with all of its keys: "example.com/*".
func allowsKey(list []string, key string) bool {
	domain, _, _ := strings.Cut(key, "/")
	return slices.Contains(list, key) || slices.Contains(list, domain+"/*")
}
