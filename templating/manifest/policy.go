package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating"
)

// Policy is what job_configuration says of how the pool's runs are looked after. It travels with the Job, in
// an annotation, so that a worker that takes an attempt over applies the same policy. The zero value is the
// policy of a template that sets none.
type Policy struct {
	// FailEvicted ends a run whose pod was taken away; otherwise another attempt follows.
	FailEvicted bool `json:"fail_evicted,omitempty"`
	// TrustExitZero takes exit code 0 of a pod that was told to go for success.
	TrustExitZero bool `json:"trust_exit_zero,omitempty"`
	// ForceNodeLost removes a pod whose node does not confirm its end, so many seconds after its time; 0
	// waits for ever.
	ForceNodeLost int64 `json:"force_node_lost_seconds,omitempty"`
	// WaitSeconds is how long an attempt may wait for one cause: image_pull, config, quota, unschedulable.
	// What is not there is the worker's; 0 is for ever.
	WaitSeconds map[string]int64 `json:"wait_seconds,omitempty"`
	// AllLogs takes the output of every container; otherwise that of the job container alone.
	AllLogs bool `json:"all_logs,omitempty"`
	// KubeletRestarts leaves restartPolicy OnFailure to the template: the kubelet then restarts a failed container
	// in its pod, as often as the Job's backoffLimit says. Otherwise each failure ends the attempt.
	KubeletRestarts bool `json:"kubelet_restarts,omitempty"`
	// RescheduleDeleted takes a pod that a user deleted for an evicted one; otherwise its run ends.
	RescheduleDeleted bool `json:"reschedule_deleted,omitempty"`
	// EnvAsSecret keeps the values of environment variables out of the manifest.
	EnvAsSecret bool `json:"env_as_secret,omitempty"`
}

// PolicyOf reads the policy from the annotations of a Job.
func PolicyOf(annotations map[string]string) (Policy, error) {
	var p Policy
	text := annotations[AnnotationPolicy]
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return Policy{}, fmt.Errorf("read annotation %s: %w", AnnotationPolicy, err)
	}
	return p, nil
}

// annotation is how the policy travels; empty where there is none.
func (p Policy) annotation() (string, error) {
	text, err := json.Marshal(p)
	if err != nil || string(text) == "{}" {
		return "", err
	}
	return string(text), nil
}

// policyWaits are the causes that a pool can set a deadline for.
func policyWaits() []string { return []string{"config", "image_pull", "quota", "unschedulable"} }

// defaultForce is how long a lost node is waited for where the policy says force and no time.
const defaultForce = 600

// readPolicy reads job_configuration.policy. A word that is not known is an error: a policy that is not
// followed is worse than none.
func (b *builder) readPolicy() {
	v, ok := b.configuration[keyPolicy]
	if !ok || v == nil {
		return
	}
	object, ok := v.(map[string]any)
	if !ok {
		b.fail(templating.CodeType, at(keyPolicy), "must be an object, not %s", describe(v))
		return
	}
	r := policyReader{builder: b, object: object, known: []string{}}
	p := &b.finished.Policy
	p.FailEvicted = r.choice("eviction", "reschedule", "fail")
	p.TrustExitZero = r.boolean("trust_exit_zero")
	force := r.choice("node_lost", "wait", "force")
	after := r.seconds(at(keyPolicy), object, "node_lost_after_seconds")
	switch {
	case force && after == 0:
		p.ForceNodeLost = defaultForce
	case force:
		p.ForceNodeLost = after
	case after != 0:
		b.fail(templating.CodeInvalid, at(keyPolicy).key("node_lost_after_seconds"),
			"has no effect unless node_lost is force")
	}
	r.waits(p)
	p.AllLogs = r.choice("logs", "first", "all")
	p.KubeletRestarts = r.choice("restarts", "berth", "kubelet")
	p.RescheduleDeleted = r.choice("pod_deleted", "fail", "reschedule")
	p.EnvAsSecret = r.boolean("env_as_secret")
	r.unknown(at(keyPolicy), object, r.known)
}

// policyReader reads one object key by key and remembers which there are.
type policyReader struct {
	*builder
	object map[string]any
	known  []string
}

// choice is true for the second word; the first is the default.
func (r *policyReader) choice(key, usual, other string) bool {
	r.known = append(r.known, key)
	v, ok := r.object[key]
	if !ok || v == nil || v == usual {
		return false
	}
	if v != other {
		r.fail(templating.CodeInvalid, at(keyPolicy).key(key), "must be %s or %s, not %v", usual, other, v)
	}
	return v == other
}

func (r *policyReader) boolean(key string) bool {
	r.known = append(r.known, key)
	v, ok := r.object[key]
	if !ok || v == nil {
		return false
	}
	value, isBool := v.(bool)
	if !isBool {
		r.fail(templating.CodeType, at(keyPolicy).key(key), "must be a boolean, not %s", describe(v))
	}
	return value
}

// seconds is 0 where the key is not there.
func (r *policyReader) seconds(place pointer, object map[string]any, key string) int64 {
	r.known = append(r.known, key)
	v, ok := object[key]
	if !ok || v == nil {
		return 0
	}
	seconds, isInt := v.(int64)
	switch {
	case !isInt:
		r.fail(templating.CodeType, place.key(key), "must be an integer number of seconds, not %s",
			describe(v))
	case seconds < 0 || seconds > maxSeconds:
		r.fail(templating.CodeInvalid, place.key(key),
			"must not be negative, got %d", seconds)
		return 0
	}
	return seconds
}

func (r *policyReader) waits(p *Policy) {
	const key = "wait_seconds"
	r.known = append(r.known, key)
	v, ok := r.object[key]
	if !ok || v == nil {
		return
	}
	object, ok := v.(map[string]any)
	if !ok {
		r.fail(templating.CodeType, at(keyPolicy).key(key), "must be an object, not %s", describe(v))
		return
	}
	known := r.known
	for _, cause := range policyWaits() {
		if there, ok := object[cause]; ok && there != nil {
			if p.WaitSeconds == nil {
				p.WaitSeconds = map[string]int64{}
			}
			p.WaitSeconds[cause] = r.seconds(at(keyPolicy).key(key), object, cause)
		}
	}
	r.known = known
	r.unknown(at(keyPolicy).key(key), object, policyWaits())
}

// unknown refuses keys that mean nothing.
func (r *policyReader) unknown(place pointer, object map[string]any, known []string) {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if slices.Contains(known, key) {
			continue
		}
		p := r.fail(templating.CodeUnknownField, place.key(key), "unknown key %q; the keys are %s", key,
			strings.Join(slices.Sorted(slices.Values(known)), ", "))
		if near := templating.Nearest(key, known); near != "" {
			p.Suggestion = "did you mean " + strconv.Quote(near) + "?"
		}
	}
}
