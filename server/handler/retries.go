package handler

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

func readRetries(r api.RetryPolicy) lifecycle.RetryPolicy {
	p := lifecycle.RetryPolicy{
		Max: int(value(r.Max, 0)), Delay: time.Duration(value(r.DelaySeconds, 0)) * time.Second,
		InfrastructureMax: int(value(r.InfrastructureMax, 0)), InfrastructureSet: r.InfrastructureMax != nil,
	}
	if b := r.Backoff; b != nil {
		p.Backoff = &lifecycle.Backoff{
			Initial: fraction(b.InitialSeconds), Factor: value(b.Factor, lifecycle.DefaultFactor),
			Max: fraction(value(b.MaxSeconds, lifecycle.MaxBackoff.Seconds())), Jitter: value(b.Jitter, 0),
		}
	}
	for _, cause := range value(r.On, nil) {
		if code, err := strconv.ParseInt(string(cause), 10, 32); err == nil {
			p.On.ExitCodes = append(p.On.ExitCodes, int32(code))
			continue
		}
		if name, err := strconv.Unquote(string(cause)); err == nil { // the specification lets nothing else through
			p.On.Categories = append(p.On.Categories, lifecycle.Category(name))
		}
	}
	if o := r.Oom; o != nil {
		p.OOM = &lifecycle.OOMPolicy{
			Max: int(
				o.Max,
			), Variable: o.Variable, Factor: value(o.Factor, lifecycle.DefaultFactor), MaxValue: o.MaxValue,
		}
	}
	return p
}

// fraction reads seconds that need not be whole; the specification bounds them.
func fraction(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func wireRetries(p lifecycle.RetryPolicy) api.RetryPolicy {
	most := int32(p.Max)
	r := api.RetryPolicy{Max: &most}
	if p.InfrastructureSet || p.InfrastructureMax > 0 {
		infrastructure := int32(p.InfrastructureMax)
		r.InfrastructureMax = &infrastructure
	}
	if b := p.Backoff; b != nil {
		factor, max, jitter := b.Factor, b.Max.Seconds(), b.Jitter
		r.Backoff = &api.RetryBackoff{
			InitialSeconds: b.Initial.Seconds(),
			Factor:         &factor,
			MaxSeconds:     &max,
			Jitter:         &jitter,
		}
	} else {
		delay := int32(p.Delay / time.Second)
		r.DelaySeconds = &delay
	}
	var on []api.RetryCause
	for _, code := range p.On.ExitCodes {
		on = append(on, json.RawMessage(strconv.Itoa(int(code))))
	}
	for _, category := range p.On.Categories {
		on = append(on, json.RawMessage(strconv.Quote(string(category))))
	}
	if on != nil {
		r.On = &on
	}
	if o := p.OOM; o != nil {
		factor := o.Factor
		r.Oom = &api.OOMRetries{
			Max:      int32(o.Max),
			Variable: o.Variable,
			Factor:   &factor,
			MaxValue: o.MaxValue,
		}
	}
	return r
}

// checkRetries says what the form of a policy does not: what contradicts itself, and a variable that can not
// be raised.
func checkRetries(
	wrong *refusal,
	p lifecycle.RetryPolicy,
	variables map[string]any,
	compiled *templating.Compiled,
) {
	if p.Backoff != nil && p.Delay > 0 {
		wrong.say(problem.ApplyInvalid, "/retries/delay_seconds", "give delay_seconds or backoff, not both")
	}
	if p.Backoff != nil && p.Backoff.Max < p.Backoff.Initial {
		wrong.say(
			problem.ApplyInvalid,
			"/retries/backoff/max_seconds",
			"must not be less than initial_seconds",
		)
	}
	if p.OOM == nil {
		return
	}
	var limit any
	if len(p.OOM.MaxValue) > 0 {
		var err error
		if limit, err = templating.DecodeJSON(p.OOM.MaxValue); err != nil {
			wrong.problems(problem.ApplyInvalid, "/retries/oom/max_value", err)
		}
	}
	if text, ok := limit.(string); ok {
		if _, err := manifest.ParseQuantity(text); err != nil {
			wrong.say(problem.ApplyInvalid, "/retries/oom/max_value", "%q is no quantity such as 4Gi", text)
		}
	}
	if compiled == nil {
		return
	}
	properties, _ := compiled.VariablesSchema()["properties"].(map[string]any)
	_, declared := properties[p.OOM.Variable]
	if _, given := variables[p.OOM.Variable]; !declared && !given {
		wrong.say(
			problem.ApplyInvalid,
			"/retries/oom/variable",
			"the pool's template has no job variable %q",
			p.OOM.Variable,
		)
	}
}
