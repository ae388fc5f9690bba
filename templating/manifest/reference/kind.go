package reference

import (
	"slices"
	"strconv"
	"strings"
)

// Kind is the kind of object that a reference names.
type Kind string

// The kinds.
const (
	Secret         Kind = "Secret"
	ConfigMap      Kind = "ConfigMap"
	ServiceAccount Kind = "ServiceAccount"
	Claim          Kind = "PersistentVolumeClaim"
	ResourceClaim  Kind = "ResourceClaim"
	Namespace      Kind = "Namespace"
	// PriorityClass decides whose pods are evicted for the Job's.
	PriorityClass Kind = "PriorityClass"
	// NodeLabel is an entry of nodeSelector: its name is the label, its key the value.
	NodeLabel Kind = "node label"
	// Toleration is a taint that the pods tolerate. Its name is the taint as kubectl writes it,
	// KEY=VALUE:EFFECT, without what the toleration leaves open.
	Toleration Kind = "toleration"
	// Token is a token of the pod's ServiceAccount, mounted as a file.
	Token Kind = "ServiceAccount token"
	// Volume is a volume that is neither a Secret, a ConfigMap nor a claim, such as hostPath or csi; its name
	// is the type.
	Volume Kind = "volume"
	// Field is a field of the Job that decides what its pods may do and where they run. Its name is the
	// field's.
	Field Kind = "field"
)

// Reference is one place of a Job that names something outside it.
type Reference struct {
	Kind Kind
	Name string
	// Key is the only key that is used; empty means the whole object. Of a node label it is the value.
	Key string
	// Path leads there from the root of the Job. A list has "*" as its step, containers their index in
	// brackets.
	Path []string
	// Node is what stands there.
	Node any
	// volume is the name of the volume through which a mount refers to it.
	volume string
}

// Empty is true for a reference that names no object: the variable for its name has no value.
func (r Reference) Empty() bool {
	switch r.Kind {
	case Secret, ConfigMap, ServiceAccount, Claim:
		return r.Name == ""
	}
	return false
}

// String names the reference for people.
func (r Reference) String() string {
	switch r.Kind {
	case Token:
		return "a " + string(Token)
	case Volume:
		return "a volume of type " + r.Name
	case Field:
		return "field " + r.Name
	case NodeLabel:
		return string(NodeLabel) + " " + strconv.Quote(r.Name+"="+r.Key)
	case Toleration:
		if r.Name == "" {
			return "a toleration of every taint"
		}
		return "a toleration of taint " + strconv.Quote(r.Name)
	}
	text := string(r.Kind) + " " + strconv.Quote(r.Name)
	if r.Key != "" {
		text += ", key " + strconv.Quote(r.Key)
	}
	return text
}

// Pointer is the JSON pointer of the reference below base. It ends at the first list.
func (r Reference) Pointer(base string) string {
	var b strings.Builder
	b.WriteString(base)
	for _, step := range r.Path {
		if step == anyItem || strings.HasPrefix(step, "[") {
			break
		}
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

const anyItem = "*"

// under returns the path one step further. It never shares its end with another path.
func under(path []string, step string) []string { return append(slices.Clip(path), step) }
