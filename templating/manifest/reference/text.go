package reference

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// pair is `key: value` in the text of a manifest, as the template writes it.
var pair = regexp.MustCompile(`^[\s,{\[\-]*"?([A-Za-z][A-Za-z0-9_./-]*)"?[ \t]*:[ \t]*((?:(?s:\{\{.*?\}\})|"[^"\n]*"|'[^'\n]*'|[^\s,}\]{"'])*)`)

// entry is one pair. Its value is empty where more pairs follow below.
type entry struct{ key, value string }

// textOffers is Offers for a manifest that is one text. Its structure is only known once it is rendered, so
// that the place is told by the field alone: `secretKeyRef:` and what is written right after it.
func (t Template) textOffers(text string, r Reference) bool {
	field := fieldOf(r.Path)
	if r.Kind == NodeLabel {
		field = fieldOf(r.Path[:len(r.Path)-1])
	}
	found := regexp.MustCompile(`(?m)(?:^|[\s,{\-])"?` + regexp.QuoteMeta(field) + `"?[ \t]*:`)
	for _, at := range found.FindAllStringIndex(text, -1) {
		if t.blockOffers(text[at[1]:], field, r) {
			return true
		}
	}
	return false
}

// fieldOf is the last step of a path that is written as a key.
func fieldOf(path []string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] != anyItem && !strings.HasPrefix(path[i], "[") {
			return path[i]
		}
	}
	return ""
}

// blockOffers judges what stands after the key of a field.
func (t Template) blockOffers(rest, field string, r Reference) bool {
	value := pair.FindStringSubmatch("x: " + firstLine(rest))
	direct := ""
	if value != nil {
		direct = unquote(value[2])
	}
	switch r.Kind {
	case Field, Token:
		return t.nodeIn(r.Node, direct, pairs(rest, nil), false)
	case Volume:
		return t.nodeIn(r.Node, direct, pairs(rest, nil), true)
	case NodeLabel:
		return slices.ContainsFunc(pairs(rest, nil), func(e entry) bool {
			return e.key == r.Name && t.writesLabel(e.value, r)
		})
	case Toleration:
		return t.entriesTolerate(pairs(rest, nil), r)
	}
	if direct != "" {
		return t.matches(direct, r.Name)
	}
	known := []string{"name", "key", "optional"}
	if field != "secretKeyRef" && field != "configMapKeyRef" {
		known = append(known, nameFields[:]...)
		known = append(known, "items", "path", "mode", "defaultMode", "readOnly", "apiGroup", "kind")
	}
	return t.pairsOffer(pairs(rest, known), field, r)
}

func (t Template) pairsOffer(entries []entry, field string, r Reference) bool {
	named, keyed, hasKeys := false, false, false
	seen := map[string]bool{}
	for _, e := range entries {
		isName := slices.Contains(nameFields[:], e.key)
		if isName && seen["name"] && field != "imagePullSecrets" {
			break // the next object of a list
		}
		switch {
		case isName:
			seen["name"] = true
			named = named || t.matches(e.value, r.Name)
		case e.key == "key":
			hasKeys = true
			keyed = keyed || t.matches(e.value, r.Key)
		}
	}
	return named && (!hasKeys || r.Key != "" && keyed)
}

// nodeIn reports whether every scalar of a value of the Job is written in a block of text.
func (t Template) nodeIn(node any, direct string, entries []entry, strict bool) bool {
	switch node := node.(type) {
	case map[string]any:
		for key, v := range node {
			if _, isScalar := scalarText(v); !isScalar {
				if v != nil && !t.nodeIn(v, "", entries, strict) {
					return false
				}
				continue
			}
			if !slices.ContainsFunc(entries, func(e entry) bool {
				return e.key == key && t.nodeIn(v, e.value, nil, strict)
			}) {
				return false
			}
		}
		return true
	case []any:
		return !slices.ContainsFunc(node, func(item any) bool {
			if text, ok := scalarText(item); ok { // items of a list stand alone in the text
				return !slices.ContainsFunc(entries, func(e entry) bool { return strings.Contains(e.value, text) }) &&
					strict
			}
			return !t.nodeIn(item, "", entries, strict)
		})
	}
	text, ok := scalarText(node)
	return ok && (t.matches(direct, text) || !strict && strings.Contains(direct, "{{"))
}

// pairs reads the pairs at the beginning of a text, as long as they follow each other; known bounds which.
func pairs(text string, known []string) []entry {
	var found []entry
	for len(found) < maxPairs {
		text = afterActions(text)
		match := pair.FindStringSubmatchIndex(text)
		if match == nil {
			return found
		}
		e := entry{key: text[match[2]:match[3]], value: unquote(text[match[4]:match[5]])}
		if known != nil && !slices.Contains(known, e.key) {
			return found
		}
		found = append(found, e)
		text = strings.TrimLeft(text[match[1]:], " \t\r\n,}]")
	}
	return found
}

// maxPairs bounds how far the text after a field is read.
const maxPairs = 24

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
}

// afterActions leaves out the actions before the next pair, such as {{- if .gpu }}: what they print is not
// written by the template.
func afterActions(text string) string {
	for {
		rest := strings.TrimLeft(text, " \t\r\n")
		if !strings.HasPrefix(rest, "{{") {
			return text
		}
		_, after, found := strings.Cut(rest, "}}")
		if !found {
			return text
		}
		text = after
	}
}

// entriesTolerate is writesToleration for pairs of a text.
func (t Template) entriesTolerate(entries []entry, r Reference) bool {
	toleration, _ := r.Node.(map[string]any)
	key, _ := scalarText(toleration["key"])
	keys := 0
	known := false
	for _, e := range entries {
		if e.key == "key" {
			keys++
			known = known || t.matches(e.value, key)
		}
	}
	if key == "" {
		return keys == 0 && t.nodeIn(r.Node, "", entries, true)
	}
	return known && t.nodeIn(r.Node, "", entries, false)
}

func unquote(s string) string {
	switch {
	case len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'':
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	case len(s) >= 2 && s[0] == '"':
		if text, err := strconv.Unquote(s); err == nil {
			return text
		}
	}
	return s
}
