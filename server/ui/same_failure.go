package ui

import (
	"net/url"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// sameFailure leads to the runs that failed as another did: of its deployment, with its cause and the first line of its message.
type sameFailure struct {
	Address string
	Count   int64
	AtLeast bool
	Since   time.Time
}

const (
	// sameFailureWithin is how long before a run others are looked for.
	sameFailureWithin = 7 * day
	// textFilterMax is how many characters a filter by text has at most.
	textFilterMax = 200
)

// failureText is what equal failures share: the first line of their message, as far as a filter takes it.
func failureText(message *string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(valueOf(message)), "\n")
	characters := []rune(line)
	return strings.TrimSpace(string(characters[:min(len(characters), textFilterMax)]))
}

// failureQuery are the parameters of a list of equal failures.
func failureQuery(r api.Run) url.Values {
	q := url.Values{"state": {"FAILED", "CRASHED"}, "deployment": {r.Deployment}}
	if r.Category != nil {
		q.Set("cause", string(*r.Category))
	}
	if text := failureText(r.State.Message); text != "" {
		q.Set("text", text)
	}
	return q
}

// sameFailures counts the other runs that failed as one did; nil unless it failed and there are others.
func (v *visit) sameFailures(r api.Run) (*sameFailure, error) {
	if r.State.Type != api.FAILED && r.State.Type != api.CRASHED {
		return nil, nil
	}
	since := r.CreatedAt.Add(-sameFailureWithin).UTC().Truncate(time.Minute)
	states := []api.StateType{api.FAILED, api.CRASHED}
	params := &api.CountRunsParams{Deployment: &r.Deployment, State: &states, CreatedAfter: &since}
	if r.Category != nil {
		params.Cause = &[]api.Category{*r.Category}
	}
	if text := failureText(r.State.Message); text != "" {
		params.Text = &text
	}
	counts, err := value(v.api.CountRunsWithResponse(v.Context(), params))
	if err != nil || counts.Total < 2 {
		return nil, err
	}
	q := failureQuery(r)
	q.Set("from", since.Format(time.RFC3339))
	return &sameFailure{Address: v.root() + "runs?" + q.Encode(), Count: counts.Total - 1, AtLeast: counts.AtLeast, Since: since}, nil
}
