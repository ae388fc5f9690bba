package reference

import (
	"regexp"
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

// OffersMetadata reports whether the template itself writes the key of a label or annotation: at its place in
// the manifest, or in job_configuration, which labels the Job and its pods alike.
func (t Template) OffersMetadata(r Reference) bool {
	configuration, _ := t.Configuration.(map[string]any)
	manifest := configuration["job_manifest"]
	if text, ok := manifest.(string); ok && !isWhole(text) {
		if slices.Contains(append(constants(text), textKeys(text)...), r.Name) {
			return true
		}
		manifest = nil
	}
	nodes := t.descend(manifest, r.Path)
	nodes = append(nodes, t.descend(configuration[r.Path[len(r.Path)-2]], r.Path[len(r.Path)-1:])...)
	return slices.ContainsFunc(nodes, func(node any) bool {
		built, ok := node.(expression)
		return !ok || slices.Contains(constants(string(built)), r.Name)
	})
}

var textKey = regexp.MustCompile(`(?m)(?:^|[\s,{])["']?([A-Za-z0-9][A-Za-z0-9.-]*/[A-Za-z0-9._-]+)["']?[ \t]*:`)

// textKeys are the keys with a domain that the author of a text manifest wrote outside of actions.
func textKeys(text string) []string {
	var keys []string
	for _, match := range textKey.FindAllStringSubmatch(action.ReplaceAllString(text, "\x00"), -1) {
		keys = append(keys, match[1])
	}
	return keys
}
