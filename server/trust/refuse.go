package trust

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// refusal says that no rule accepts a token that is valid. Whoever has an account at a public issuer has a valid
// token: the answer tells them nothing of the rules.
func refusal(name string) error {
	detail := "no trust rule accepts this token"
	if name != "" {
		detail = "trust rule " + strconv.Quote(problem.Clip(name)) + " does not accept this token"
	}
	return problem.Newf(problem.TokenRefused, "%s; an admin sees why with: berth trust test", detail)
}

func names(rules []judged) []string {
	list := make([]string, len(rules))
	for i, j := range rules {
		list[i] = j.rule.Name
	}
	return list
}

// quoted lists texts for a person; each is cut.
func quoted(texts []string) string {
	if len(texts) == 0 {
		return "none"
	}
	words := make([]string, len(texts))
	for i, text := range texts {
		words[i] = strconv.Quote(problem.Clip(text))
	}
	return strings.Join(words, " or ")
}

// retryIssuer is when a client should try again while an issuer is down.
const retryIssuer = 10 * time.Second

// asProblem turns an error of this package into a problem document.
func asProblem(err error) error {
	var (
		invalid     *InvalidError
		unreachable *UnreachableError
	)
	switch {
	case errors.As(err, &unreachable):
		return &problem.Error{Code: problem.IssuerUnavailable, Detail: unreachable.Error(), Err: unreachable.Err,
			RetryAfter: retryIssuer}
	case errors.As(err, &invalid):
		return problem.Newf(problem.TokenRefused, "the token is not valid: %s", invalid.Reason)
	}
	return err
}

// resultOf is the label of the metric.
func resultOf(err error) string {
	var (
		invalid     *InvalidError
		unreachable *UnreachableError
		refused     *problem.Error
		stored      *store.Error
	)
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &unreachable):
		return "unreachable"
	case errors.As(err, &invalid):
		return "invalid"
	case errors.As(err, &refused), errors.As(err, &stored):
		return "refused"
	}
	return "failed"
}
