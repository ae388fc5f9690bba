package wire

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
)

// RetryPolicy converts a retry policy.
func RetryPolicy(p lifecycle.RetryPolicy) api.RetryPolicy {
	maxRetries := int32(p.Max)
	r := api.RetryPolicy{Max: &maxRetries}
	if p.InfrastructureSet || p.InfrastructureMax > 0 {
		infrastructure := int32(p.InfrastructureMax)
		r.InfrastructureMax = &infrastructure
	}
	if b := p.Backoff; b != nil {
		factor, longest, jitter := b.Factor, b.Max.Seconds(), b.Jitter
		r.Backoff = &api.RetryBackoff{
			InitialSeconds: b.Initial.Seconds(),
			Factor:         &factor,
			MaxSeconds:     &longest,
			Jitter:         &jitter,
		}
	} else {
		delay := int32(p.Delay / time.Second)
		r.DelaySeconds = &delay
	}
	r.On = retryCauses(p)
	if o := p.OOM; o != nil {
		factor := o.Factor
		r.OOM = &api.OOMRetries{
			Max:      int32(o.Max),
			Variable: o.Variable,
			Factor:   &factor,
			MaxValue: o.MaxValue,
		}
	}
	return r
}

// retryCauses are exit codes as JSON numbers and categories as JSON strings; nil where any cause is retried.
func retryCauses(p lifecycle.RetryPolicy) *[]api.RetryCause {
	var causes []api.RetryCause
	for _, code := range p.On.ExitCodes {
		causes = append(causes, json.RawMessage(strconv.Itoa(int(code))))
	}
	for _, category := range p.On.Categories {
		causes = append(causes, json.RawMessage(strconv.Quote(string(category))))
	}
	if causes == nil {
		return nil
	}
	return &causes
}

// ReadRetryPolicy reads a retry policy. What its schema allows and makes no sense is for the caller to find.
func ReadRetryPolicy(r api.RetryPolicy) lifecycle.RetryPolicy {
	p := lifecycle.RetryPolicy{
		Max:               int(Or(r.Max, 0)),
		Delay:             time.Duration(Or(r.DelaySeconds, 0)) * time.Second,
		InfrastructureMax: int(Or(r.InfrastructureMax, 0)),
		InfrastructureSet: r.InfrastructureMax != nil,
	}
	if b := r.Backoff; b != nil {
		p.Backoff = &lifecycle.Backoff{
			Initial: fractionalSeconds(b.InitialSeconds),
			Factor:  Or(b.Factor, lifecycle.DefaultFactor),
			Max:     fractionalSeconds(Or(b.MaxSeconds, lifecycle.MaxBackoff.Seconds())),
			Jitter:  Or(b.Jitter, 0),
		}
	}
	for _, cause := range Or(r.On, nil) {
		if code, err := strconv.ParseInt(string(cause), 10, 32); err == nil {
			p.On.ExitCodes = append(p.On.ExitCodes, int32(code))
			continue
		}
		// The specification allows only numbers and strings here.
		if name, err := strconv.Unquote(string(cause)); err == nil {
			p.On.Categories = append(p.On.Categories, lifecycle.Category(name))
		}
	}
	if o := r.OOM; o != nil {
		p.OOM = &lifecycle.OOMPolicy{
			Max:      int(o.Max),
			Variable: o.Variable,
			Factor:   Or(o.Factor, lifecycle.DefaultFactor),
			MaxValue: o.MaxValue,
		}
	}
	return p
}

// fractionalSeconds reads seconds with a fraction; the specification bounds them.
func fractionalSeconds(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}
