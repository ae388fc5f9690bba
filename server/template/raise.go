package template

import (
	"encoding/json"
	"maps"
	"math"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// Raise works out what more an attempt could be given of a job variable: the value it had times the policy's
// factor, within the policy's and the schema's most. There is nothing to raise where the value is frozen, a
// reference to a stored variable, no amount, or at its most already; a number over what the schema allows is
// brought to its maximum.
func (l *Library) Raise(r store.RaiseRequest) (store.RaisedValue, bool) {
	parsed, err := templating.Parse(r.Template)
	if err != nil {
		return store.RaisedValue{}, false
	}
	compiled, err := l.registry.Compile(parsed)
	if err != nil {
		return store.RaisedValue{}, false
	}
	var levels [5]map[string]any
	for i, raw := range []json.RawMessage{r.DeploymentVariables, r.RunVariables, r.Raised, r.Frozen, r.Stored} {
		if levels[i], err = members(raw); err != nil {
			return store.RaisedValue{}, false
		}
	}
	own := maps.Clone(levels[1])
	maps.Copy(own, levels[2])
	layers := templating.Layers{Deployment: levels[0], Run: own, DeploymentFrozen: levels[3]}
	properties, _ := compiled.VariablesSchema()["properties"].(map[string]any)
	property, _ := properties[r.Policy.Variable].(map[string]any)
	current := property["default"]
	for _, level := range []map[string]any{layers.Deployment, layers.Run} {
		if v, ok := level[r.Policy.Variable]; ok {
			current = v
		}
	}
	next, ok := raise(current, r.Policy, property["maximum"])
	if !ok {
		return store.RaisedValue{}, false
	}
	layers.Run[r.Policy.Variable] = next
	if _, err := compiled.ValidateRun(layers, levels[4]); err != nil { // frozen, or nothing that the schema allows
		return store.RaisedValue{}, false
	}
	from, errFrom := json.Marshal(current)
	to, errTo := json.Marshal(next)
	return store.RaisedValue{From: from, To: to}, errFrom == nil && errTo == nil
}

func members(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 {
		return map[string]any{}, nil
	}
	v, err := templating.DecodeJSON(raw)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return map[string]any{}, nil
	}
	return object, nil
}

// raise is the pure arithmetic: a value of the kind that it was, more than it was.
func raise(current any, policy lifecycle.OOMPolicy, maximum any) (any, bool) {
	factor := policy.Factor
	if factor == 0 {
		factor = lifecycle.DefaultFactor
	}
	most, err := templating.DecodeJSON(policy.MaxValue)
	if len(policy.MaxValue) > 0 && err != nil {
		return nil, false
	}
	switch now := current.(type) {
	case string:
		return raiseQuantity(now, factor, most)
	case int64:
		next := math.Floor(bounded(float64(now)*factor, most, maximum))
		return int64(next), next > float64(now) && next < math.MaxInt64
	case float64:
		next := bounded(now*factor, most, maximum)
		return next, next > now
	}
	return nil, false
}

// bounded is n, or the least of the limits that are numbers.
func bounded(n float64, limits ...any) float64 {
	for _, limit := range limits {
		switch l := limit.(type) {
		case int64:
			n = min(n, float64(l))
		case float64:
			n = min(n, l)
		}
	}
	return n
}

// raiseQuantity raises "512Mi" and the like.
func raiseQuantity(current string, factor float64, most any) (any, bool) {
	now, err := manifest.ParseQuantity(current)
	if err != nil {
		return nil, false
	}
	raised := math.Ceil(float64(now.Value()) * factor)
	if raised >= math.MaxInt64 {
		return nil, false
	}
	next := resource.NewQuantity(int64(raised), now.Format)
	switch limit := most.(type) {
	case string:
		bound, err := manifest.ParseQuantity(limit)
		if err != nil {
			return nil, false
		}
		if next.Cmp(bound) > 0 {
			next = &bound
		}
	case int64:
		if next.CmpInt64(limit) > 0 {
			next = resource.NewQuantity(limit, now.Format)
		}
	}
	return next.String(), next.Cmp(now) > 0
}
