package catalog

import (
	"encoding/json"
	"maps"
	"math"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// Raise computes the next value of the job variable that an out-of-memory policy names: the value that the
// last attempt had, times the policy's factor, bounded by the policy and by the schema's maximum.
//
// It returns false when there is nothing to raise: the value is frozen, refers to a stored variable, is not
// an amount, or has reached its bound.
func (c *Catalog) Raise(r store.RaiseRequest) (store.RaisedValue, bool) {
	compiled, err := c.compile(r.Template)
	if err != nil {
		return store.RaisedValue{}, false
	}
	layers, stored, err := raiseLayers(r)
	if err != nil {
		return store.RaisedValue{}, false
	}

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

	// Validation refuses a frozen variable, and a value that the schema does not allow.
	layers.Run[r.Policy.Variable] = next
	if _, err := compiled.ValidateRun(layers, stored); err != nil {
		return store.RaisedValue{}, false
	}
	from, errFrom := json.Marshal(current)
	to, errTo := json.Marshal(next)
	return store.RaisedValue{From: from, To: to}, errFrom == nil && errTo == nil
}

// raiseLayers decodes the values of the last attempt. What was raised before overrides the run's own values.
func raiseLayers(r store.RaiseRequest) (layers templating.Layers, stored map[string]any, err error) {
	var run, raised map[string]any
	for _, part := range []struct {
		document json.RawMessage
		object   *map[string]any
	}{
		{r.DeploymentVariables, &layers.Deployment},
		{r.Frozen, &layers.DeploymentFrozen},
		{r.RunVariables, &run},
		{r.Raised, &raised},
		{r.Stored, &stored},
	} {
		if *part.object, err = jsondoc.Object(part.document); err != nil {
			return layers, nil, err
		}
	}
	layers.Run = maps.Clone(run)
	maps.Copy(layers.Run, raised)
	return layers, stored, nil
}

// raise multiplies a value and keeps its type. It returns false when the result is not greater.
func raise(current any, policy lifecycle.OOMPolicy, maximum any) (any, bool) {
	factor := policy.Factor
	if factor == 0 {
		factor = lifecycle.DefaultFactor
	}
	limit, err := templating.DecodeJSON(policy.MaxValue)
	if len(policy.MaxValue) > 0 && err != nil {
		return nil, false
	}
	switch now := current.(type) {
	case string:
		return raiseQuantity(now, factor, limit)
	case int64:
		next := math.Floor(bounded(float64(now)*factor, limit, maximum))
		return int64(next), next > float64(now) && next < math.MaxInt64
	case float64:
		next := bounded(now*factor, limit, maximum)
		return next, next > now
	}
	return nil, false
}

// bounded returns the least of n and those limits that are numbers.
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

// raiseQuantity multiplies a Kubernetes quantity such as "512Mi" and keeps its suffix style.
func raiseQuantity(current string, factor float64, limit any) (any, bool) {
	now, err := manifest.ParseQuantity(current)
	if err != nil {
		return nil, false
	}
	raised := math.Ceil(float64(now.Value()) * factor)
	if raised >= math.MaxInt64 {
		return nil, false
	}
	next := resource.NewQuantity(int64(raised), now.Format)
	switch limit := limit.(type) {
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
