package trust

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// A pattern is a text in which * stands for any characters but / and :, and ** for any characters. So * stays
// within a part of a subject: repo:acme/*:ref:refs/heads/main is the main branch of every repository of acme.

// matches reports whether a text matches a pattern. The expression runs in linear time.
func matches(pattern, text string) bool {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); {
		switch {
		case strings.HasPrefix(pattern[i:], "**"):
			b.WriteString(".*")
			i += 2
		case pattern[i] == '*':
			b.WriteString("[^/:]*")
			i++
		default:
			end := strings.IndexByte(pattern[i:], '*')
			if end < 0 {
				end = len(pattern) - i
			}
			b.WriteString(regexp.QuoteMeta(pattern[i : i+end]))
			i += end
		}
	}
	expression, err := regexp.Compile(b.String() + `\z`)
	return err == nil && expression.MatchString(text)
}

// identifies reports whether a pattern of an identifying claim leaves no doubt about the owner: what
// comes before the first wildcard names one and ends where a name ends, so that repo:acme/* is accepted and
// repo:* and repo:acme* are not.
func identifies(pattern string) bool {
	fixed, _, wild := strings.Cut(pattern, "*")
	parts := strings.FieldsFunc(fixed, func(r rune) bool { return r == '/' || r == ':' })
	parts = slices.DeleteFunc(parts, func(part string) bool { return slices.Contains(genericParts(), part) })
	ends := strings.HasSuffix(fixed, "/") || strings.HasSuffix(fixed, ":")
	return len(parts) > 0 && (!wild || ends)
}

// genericParts are the parts of subjects that every token of an issuer has.
func genericParts() []string {
	return []string{
		"repo", "repository", "repository_id", "repository_owner", "repository_owner_id", "job_workflow_ref", "workflow_ref",
		"environment", "project_path", "project_id", "namespace_path", "namespace_id", "ref_type", "ref", "branch", "tag",
		"system", "serviceaccount", "organization", "org", "project", "user", "pool", "deployment", "https", "http",
	}
}

// identifyingClaims say whose token it is. A rule needs a condition on one of them.
func identifyingClaims() []string {
	return []string{
		"sub",
		"repository", "repository_id", "repository_owner", "repository_owner_id", "job_workflow_ref", "workflow_ref", // GitHub
		"project_path", "project_id", "namespace_path", "namespace_id", // GitLab
		"kubernetes.io/namespace", "kubernetes.io/serviceaccount/uid",
	}
}

// claimSet are the claims of a token.
type claimSet map[string]json.RawMessage

// find returns the claim of that name, or the one that its path leads to, such as kubernetes.io/namespace.
func (c claimSet) find(path string) json.RawMessage {
	if raw, ok := c[path]; ok {
		return raw
	}
	for i := range path {
		if path[i] != '/' {
			continue
		}
		var inner claimSet
		if raw, ok := c[path[:i]]; ok && json.Unmarshal(raw, &inner) == nil {
			return inner.find(path[i+1:])
		}
	}
	return nil
}

// texts returns a claim as texts: one of a text, a number or a boolean, several of a list of them, and none of
// anything else.
func (c claimSet) texts(path string) []string {
	raw := c.find(path)
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var texts []string
	for _, item := range list {
		var text string
		switch {
		case json.Unmarshal(item, &text) == nil && string(item) != "null":
			texts = append(texts, text)
		case isScalar(item):
			texts = append(texts, string(item))
		}
	}
	return texts
}

func isScalar(raw json.RawMessage) bool {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return false
	}
	switch value.(type) {
	case bool, float64:
		return true
	}
	return false
}

// meets reports whether a claim has a text that matches one of the patterns.
func (c claimSet) meets(claim string, patterns []string) bool {
	return slices.ContainsFunc(c.texts(claim), func(text string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, text) })
	})
}
