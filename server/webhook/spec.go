package webhook

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/event"
	"github.com/berth-dev/berth/server/outbound"
	"github.com/berth-dev/berth/server/store"
)

const (
	// secretPrefix begins the secrets of the Standard Webhooks specification.
	secretPrefix                   = "whsec_"
	secretBytesMin, secretBytesMax = 24, 64
	secretBytes                    = 32 // of a secret that the server makes
	urlMax                         = 2000
	defaultFailures                = 3
	// DefaultPagerDuty is where PagerDuty takes events of accounts outside the EU.
	DefaultPagerDuty = "https://events.pagerduty.com/v2/enqueue"
)

// Secrets are what is never shown of a webhook.
type Secrets struct {
	URL        string `json:"url"`
	Secret     string `json:"secret"`
	Previous   string `json:"previous,omitempty"` // signs too until the webhook's RotatedUntil
	RoutingKey string `json:"routing_key,omitempty"`
}

// InvalidError says what is wrong with a webhook, and where.
type InvalidError struct{ Field, Reason string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }

func invalid(field, format string, args ...any) error {
	return &InvalidError{field, fmt.Sprintf(format, args...)}
}

// check completes a webhook and refuses what cannot work.
func check(h *store.Webhook, s *Secrets, allowed *outbound.Policy) error {
	if h.Format == "" {
		h.Format = string(event.JSON)
	}
	if len(h.Events) == 0 {
		h.Events = []string{string(event.RunEnded)}
	}
	if h.Failures == 0 {
		h.Failures = defaultFailures
	}
	format := event.Format(h.Format)
	if format == event.PagerDuty {
		if s.URL == "" {
			s.URL = DefaultPagerDuty
		}
		if s.RoutingKey == "" {
			return invalid("routing_key", "the format pagerduty needs the integration key of the service")
		}
		if len(h.Filter.States) == 0 && wantsRuns(*h) { // the runs that went well are no incidents
			h.Filter.States = []string{"FAILED", "CRASHED"}
		}
	} else if s.RoutingKey != "" {
		return invalid("routing_key", "only the format pagerduty has one")
	}
	target, err := checkURL(s.URL, allowed)
	if err != nil {
		return err
	}
	h.Target = target
	return checkPatterns(h.Filter)
}

// checkURL returns what may be shown of an address: where it goes, and not its path, which is the token of some receivers.
func checkURL(text string, allowed *outbound.Policy) (string, error) {
	if text == "" {
		return "", invalid("url", "a new webhook needs the URL of its receiver")
	}
	u, err := url.Parse(text)
	switch {
	case len(text) > urlMax:
		return "", invalid("url", "the URL has more than %d bytes", urlMax)
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return "", invalid("url", "want a URL such as https://hooks.example.com/berth") // err has the URL
	case u.User != nil:
		return "", invalid("url", "user name and password in a URL are not sent; a receiver checks the signature")
	case u.Fragment != "":
		return "", invalid("url", "a fragment (#) is not sent; leave it out")
	}
	if err := allowed.Check(u); err != nil {
		return "", invalid("url", "%v", err)
	}
	shown := u.Scheme + "://" + u.Host
	if (u.Path != "" && u.Path != "/") || u.RawQuery != "" {
		shown += "/…"
	}
	return shown, nil
}

// checkSecret wants a secret of the Standard Webhooks specification.
func checkSecret(text string) error {
	if _, err := secretKey(text); err != nil {
		return invalid("secret", "want whsec_ and %d to %d random bytes in base64, or nothing for a new one",
			secretBytesMin, secretBytesMax)
	}
	return nil
}

// secretKey is the key in a secret.
func secretKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, secretPrefix))
	if err != nil || !strings.HasPrefix(text, secretPrefix) || len(key) < secretBytesMin || len(key) > secretBytesMax {
		return nil, fmt.Errorf("the secret is not valid")
	}
	return key, nil
}

// checkPatterns wants patterns that can be read.
func checkPatterns(f store.WebhookFilter) error {
	for field, patterns := range map[string][]string{
		"pools": f.Pools, "deployments": f.Deployments, "tags": f.Tags,
	} {
		for _, pattern := range patterns {
			if strings.TrimSpace(pattern) == "" {
				return invalid(field, "an empty pattern matches nothing")
			}
		}
	}
	return nil
}

// matches reports whether a text matches a pattern, in which * is any text. Matching takes linear time for one *, and is
// bounded by the lengths for more.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return true
}

// anyMatches is true without patterns, or where one of them matches.
func anyMatches(patterns []string, text string) bool {
	return len(patterns) == 0 ||
		slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, text) })
}

// wantsDeployment reports whether a filter is about a deployment.
func wantsDeployment(f store.WebhookFilter, pool, deployment string, tags []string) bool {
	return anyMatches(f.Pools, pool) && anyMatches(f.Deployments, deployment) &&
		(len(f.Tags) == 0 || slices.ContainsFunc(tags, func(tag string) bool { return anyMatches(f.Tags, tag) }))
}

// wantsRuns reports whether a webhook wants to be told of ends of runs.
func wantsRuns(h store.Webhook) bool { return slices.Contains(h.Events, string(event.RunEnded)) }

// wantsEnd reports whether a webhook wants to be told of the end of a run in this state.
func wantsEnd(h store.Webhook, state, cause string) bool {
	return wantsRuns(h) &&
		(len(h.Filter.States) == 0 || slices.Contains(h.Filter.States, state)) &&
		(len(h.Filter.Causes) == 0 || slices.Contains(h.Filter.Causes, cause))
}

// countsFailures reports whether a webhook counts the failures of deployments.
func countsFailures(h store.Webhook) bool {
	return slices.Contains(h.Events, string(event.DeploymentFailing))
}

// Pools are the pools that a webhook is about, by name; all is true where it may be about others.
func Pools(f store.WebhookFilter) (names []string, all bool) {
	if len(f.Pools) == 0 || slices.ContainsFunc(f.Pools, func(p string) bool { return strings.Contains(p, "*") }) {
		return nil, true
	}
	return f.Pools, false
}
