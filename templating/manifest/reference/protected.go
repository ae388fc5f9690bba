package reference

import (
	"fmt"
	"slices"
	"strings"
)

// Protected is what no Job may refer to, whatever its template or the pool's list says: the objects of the
// installation. The zero value still protects what Helm and other runs store in Secrets.
type Protected struct {
	entries []protectedEntry
}

type protectedEntry struct {
	kind Kind
	name string // ends in * where it is a prefix
}

// protectedKinds are the kinds as they are written in --protect.
var protectedKinds = map[string]Kind{
	"secret": Secret, "serviceaccount": ServiceAccount, "persistentvolumeclaim": Claim,
	"configmap": ConfigMap, "namespace": Namespace,
}

// ParseProtected reads entries of the form KIND/NAME. A name may end in *.
func ParseProtected(entries []string) (Protected, error) {
	p := Protected{}
	for _, entry := range entries {
		word, name, ok := strings.Cut(entry, "/")
		kind, known := protectedKinds[strings.ToLower(word)]
		if !ok || !known || !isName(strings.TrimRight(strings.TrimSuffix(name, "*"), "-.")) {
			return Protected{}, fmt.Errorf("%q: must be KIND/NAME, with KIND one of secret, serviceaccount, "+
				"persistentvolumeclaim, configmap, namespace", entry)
		}
		p.entries = append(p.entries, protectedEntry{kind: kind, name: name})
	}
	return p, nil
}

// Refuses says why a Job must not have the reference; empty where it may. own is the name of the Job.
func (p Protected) Refuses(r Reference, own string) string {
	if r.Name == "" {
		return ""
	}
	for _, entry := range p.entries {
		if entry.kind == r.Kind && entry.matches(r.Name) {
			return fmt.Sprintf("%s %q belongs to this installation of Berth; no Job may use it", r.Kind, r.Name)
		}
	}
	if r.Kind != Secret {
		return ""
	}
	switch {
	case strings.HasPrefix(r.Name, "sh.helm.release.v1."):
		return fmt.Sprintf("Secret %q holds the values of a Helm release; no Job may use it", r.Name)
	case isRunSecret(r.Name) && r.Name != own:
		return fmt.Sprintf("Secret %q is named like the Secret of a run; only that run's Job may use it",
			r.Name)
	}
	return ""
}

// RefusesNamespace is Refuses for the namespace of the Job.
func (p Protected) RefusesNamespace(name string) string {
	if p.Refuses(Reference{Kind: Namespace, Name: name}, "") == "" {
		return ""
	}
	return fmt.Sprintf("namespace %q holds the Secrets of this installation of Berth; no Job may run there",
		name)
}

func (e protectedEntry) matches(name string) bool {
	if prefix, ok := strings.CutSuffix(e.name, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return e.name == name
}

// isRunSecret is true for names of the form of a Job of Berth, which is that of the Secret beside it: a slug,
// twelve characters of base 32 and the attempt.
func isRunSecret(name string) bool {
	parts := strings.Split(name, "-")
	if len(parts) < 3 {
		return false
	}
	attempt, tail := parts[len(parts)-1], parts[len(parts)-2]
	return attempt != "" && strings.Trim(attempt, "0123456789") == "" && len(tail) == runTail &&
		strings.Trim(tail, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// runTail is the length of the random part of a Job's name.
const runTail = 12

// Check returns why the Job must not exist: one sentence for each reference that is protected.
func (p Protected) Check(job map[string]any, own string) []string {
	var refused []string
	for _, r := range Find(job) {
		if why := p.Refuses(r, own); why != "" && !slices.Contains(refused, why) {
			refused = append(refused, why)
		}
	}
	return refused
}
