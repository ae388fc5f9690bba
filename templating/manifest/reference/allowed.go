package reference

import (
	"fmt"
	"slices"
	"strings"
)

// Allowed is a pool's list of what job variables may refer to. The zero value allows nothing.
type Allowed struct {
	Secrets         []Object `json:"secrets,omitempty"`
	ConfigMaps      []Object `json:"config_maps,omitempty"`
	ServiceAccounts []string `json:"service_accounts,omitempty"`
	VolumeClaims    []string `json:"volume_claims,omitempty"`
	Namespaces      []string `json:"namespaces,omitempty"`
	PriorityClasses []string `json:"priority_classes,omitempty"`
	// NodeLabels are KEY or KEY=VALUE; Tolerations are taints as KEY[=VALUE][:EFFECT], or * for every taint.
	NodeLabels  []string `json:"node_labels,omitempty"`
	Tolerations []string `json:"tolerations,omitempty"`
	// MetadataKeys are keys of labels and annotations with a domain, or "example.com/*" for all of one.
	MetadataKeys []string `json:"metadata_keys,omitempty"`
}

// Object is a Secret or a ConfigMap, and those of its keys that may be used; without keys, all may be.
type Object struct {
	Name string   `json:"name"`
	Keys []string `json:"keys,omitempty"`
}

// Allows is true for a reference that is on the list.
func (a Allowed) Allows(r Reference) bool {
	switch r.Kind {
	case Secret:
		return allows(a.Secrets, r)
	case ConfigMap:
		return allows(a.ConfigMaps, r)
	case ServiceAccount:
		return slices.Contains(a.ServiceAccounts, r.Name)
	case Claim:
		return slices.Contains(a.VolumeClaims, r.Name)
	case Namespace:
		return slices.Contains(a.Namespaces, r.Name)
	case PriorityClass:
		return slices.Contains(a.PriorityClasses, r.Name)
	case NodeLabel:
		return allowsLabel(a.NodeLabels, r)
	case Toleration:
		return allowsTaint(a.Tolerations, r.Name)
	case Label, Annotation:
		return allowsKey(a.MetadataKeys, r.Name)
	}
	return false
}

// allows needs the whole object to be allowed for a reference that takes all of its keys.
func allows(list []Object, r Reference) bool {
	return slices.ContainsFunc(list, func(o Object) bool {
		return o.Name == r.Name && (len(o.Keys) == 0 || r.Key != "" && slices.Contains(o.Keys, r.Key))
	})
}

// listed is the name that the list of a kind has, for messages; empty for kinds that have none.
func listed(k Kind) string {
	switch k {
	case Secret:
		return "secrets"
	case ConfigMap:
		return "config_maps"
	case ServiceAccount:
		return "service_accounts"
	case Claim:
		return "volume_claims"
	case Namespace:
		return "namespaces"
	case PriorityClass:
		return "priority_classes"
	case NodeLabel:
		return "node_labels"
	case Toleration:
		return "tolerations"
	case Label, Annotation:
		return "metadata_keys"
	}
	return ""
}

// Flag is the flag of `berth pool update` that adds to the list of a kind; empty for kinds that have none.
func (k Kind) Flag() string {
	switch k {
	case Secret:
		return "--secret"
	case ConfigMap:
		return "--config-map"
	case ServiceAccount:
		return "--service-account"
	case Claim:
		return "--volume-claim"
	case Namespace:
		return "--job-namespace"
	case PriorityClass:
		return "--priority-class"
	case NodeLabel:
		return "--node-label"
	case Toleration:
		return "--toleration"
	case Label, Annotation:
		return "--metadata-key"
	}
	return ""
}

// Entry is what allows the reference, as the flag of its kind takes it.
func (r Reference) Entry() string {
	switch {
	case r.Kind == Toleration && (r.Name == "" || strings.HasPrefix(r.Name, ":")):
		return "'" + everyTaint + "'"
	case r.Key == "":
		return r.Name
	case r.Kind == NodeLabel:
		return r.Name + "=" + r.Key
	}
	return r.Name + ":" + r.Key
}

// Invalid is an entry that can name nothing: where it is in the list, and what is wrong.
type Invalid struct{ Pointer, Message string }

// Check returns the entries that can name nothing in a cluster.
func (a Allowed) Check() []Invalid {
	var found []Invalid
	name := func(kind Kind, i int, suffix, name string) {
		if !isName(name) {
			found = append(found, Invalid{
				Pointer: fmt.Sprintf("/%s/%d%s", listed(kind), i, suffix),
				Message: fmt.Sprintf("%q is not the name of a %s: at most 253 lower-case letters, digits, "+
					"- and ., starting and ending with a letter or digit", name, kind),
			})
		}
	}
	for kind, list := range map[Kind][]Object{Secret: a.Secrets, ConfigMap: a.ConfigMaps} {
		for i, o := range list {
			name(kind, i, "/name", o.Name)
			for j, key := range o.Keys {
				if !isKey(key) {
					found = append(found, Invalid{
						Pointer: fmt.Sprintf("/%s/%d/keys/%d", listed(kind), i, j),
						Message: fmt.Sprintf("%q is not a key of a %s: letters, digits, -, _ and .", key, kind),
					})
				}
			}
		}
	}
	for kind, list := range map[Kind][]string{
		ServiceAccount: a.ServiceAccounts, Claim: a.VolumeClaims, Namespace: a.Namespaces,
		PriorityClass: a.PriorityClasses,
	} {
		for i, entry := range list {
			name(kind, i, "", entry)
		}
	}
	for i, entry := range a.NodeLabels {
		if key, value, _ := strings.Cut(entry, "="); !isLabel(key) || !isLabelValue(value) {
			found = append(found, Invalid{
				Pointer: fmt.Sprintf("/%s/%d", listed(NodeLabel), i),
				Message: fmt.Sprintf("%q is not a label of a node: want KEY or KEY=VALUE", entry),
			})
		}
	}
	for i, entry := range a.Tolerations {
		if why := invalidTaint(entry); why != "" {
			found = append(found, Invalid{Pointer: fmt.Sprintf("/%s/%d", listed(Toleration), i), Message: why})
		}
	}
	for i, key := range a.MetadataKeys {
		if domain, name, ok := strings.Cut(key, "/"); !ok || !isName(domain) || name != "*" && !isKey(name) {
			found = append(found, Invalid{
				Pointer: fmt.Sprintf("/%s/%d", listed(Label), i),
				Message: fmt.Sprintf("%q is not the key of a label or annotation with a domain, such as "+
					"example.com/team, or example.com/* for all of a domain", key),
			})
		}
	}
	slices.SortFunc(found, func(x, y Invalid) int { return strings.Compare(x.Pointer, y.Pointer) })
	return found
}

func isName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		case (r == '-' || r == '.') && i > 0 && i < len(s)-1:
		default:
			return false
		}
	}
	return true
}

func isKey(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(s,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}
