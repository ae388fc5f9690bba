// Package problem holds the errors of the API: one error type with a stable code, and the one place that maps
// codes to HTTP statuses.
//
// Handlers return an *Error, or an error of the store, which carries a code too. Responder turns it into an
// RFC 9457 problem document. An error without a code is unexpected: it is logged, and the response says
// nothing about it.
package problem

import (
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// Code identifies a kind of problem. Codes are part of the API.
type Code string

// Codes of the HTTP server. Codes of the store are used unchanged.
const (
	Unauthenticated     Code = "unauthenticated"
	Forbidden           Code = "forbidden"
	NotFound            Code = "not-found"
	MethodNotAllowed    Code = "method-not-allowed"
	InvalidJSON         Code = "invalid-json"
	InvalidBody         Code = "invalid-body"
	InvalidParameter    Code = "invalid-parameter"
	BodyTooLarge        Code = "body-too-large"
	BodyTooSlow         Code = "body-too-slow"
	UnsupportedMedia    Code = "unsupported-media-type"
	HostRefused         Code = "host-refused"
	OriginRefused       Code = "origin-refused"
	PreconditionFailed  Code = "precondition-failed"
	TemplateInvalid     Code = "template-invalid"
	VariablesInvalid    Code = "variables-invalid"
	ParametersInvalid   Code = "parameters-invalid"
	ApplyInvalid        Code = "apply-invalid"
	Frozen              Code = "frozen"
	PlanChanged         Code = "plan-changed" // an apply would change other things than its plan showed
	ApprovalRequired    Code = "approval-required"
	ProtocolUnsupported Code = "protocol-unsupported"
	// RuleInvalid: a rule does not compile. RuleDenied: a Job does not comply with a rule.
	RuleInvalid Code = "rule-invalid"
	RuleDenied  Code = "rule-denied"
	// TemplateBreaks: a new template version would break working deployments, and the request asked to refuse
	// such a version.
	TemplateBreaks Code = "template-breaks-deployments"
	// RateLimited: the API key sent too many requests; RetryAfter is set.
	RateLimited Code = "rate-limited"
	// SignInFailed: the sign-in provider or the access file refused a person.
	SignInFailed Code = "sign-in-failed"
	// ProviderUnavailable: the sign-in provider cannot be reached. API keys still work.
	ProviderUnavailable Code = "sign-in-provider-unavailable"
	// TrustRuleInvalid: a trust rule trusts too much or cannot match. TokenRefused: no trust rule accepts a token.
	TrustRuleInvalid Code = "trust-rule-invalid"
	TokenRefused     Code = "token-refused"
	// IssuerUnavailable: the keys of the issuer of a token cannot be read.
	IssuerUnavailable Code = "issuer-unavailable"
	// WebhookInvalid: a webhook cannot work, or its receiver is not allowed. WebhooksOff: the server has none.
	WebhookInvalid Code = "webhook-invalid"
	WebhooksOff    Code = "webhooks-off"
	Unavailable    Code = "unavailable"
	Internal       Code = "internal"
)

// Error is a refusal that is reported to the client.
type Error struct {
	Code Code
	// Detail says what is wrong with this request and what to do.
	Detail string
	// Findings name the places, one by one.
	Findings []api.Finding
	// Users are what keeps an object from being deleted, some of UsersTotal.
	Users      []store.User
	UsersTotal int
	// Approvals are what a change needs, with ApprovalRequired.
	Approvals []api.ApprovalNeed
	// RetryAfter is how long to wait before a retry; 0 means unknown.
	RetryAfter time.Duration
	// Err is the cause. It is logged and never sent.
	Err error
}

// Newf returns an Error with a formatted detail.
func Newf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// At adds a finding: a JSON pointer and what is wrong there.
func (e *Error) At(pointer, format string, args ...any) *Error {
	code := string(e.Code)
	e.Findings = append(
		e.Findings,
		api.Finding{Pointer: pointer, Code: &code, Message: fmt.Sprintf(format, args...)},
	)
	return e
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Detail, e.Err)
	}
	return e.Detail
}

func (e *Error) Unwrap() error { return e.Err }
