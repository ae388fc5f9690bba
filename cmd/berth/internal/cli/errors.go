package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/server/api"
)

// Exit codes, the contract with people's scripts.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
	// ExitApproval: the change was not carried out, because another person has to approve it first.
	ExitApproval = 3
	// ExitUnanswered: the question could not be answered, so that nothing is known.
	ExitUnanswered = 4
)

// UsageError is wrong use of the command line, or bad input in a file it names.
type UsageError struct {
	Message string
	// Details are further lines, one finding each.
	Details []string
	// syntax is set where the command line itself is wrong, so that the right one helps.
	syntax bool
}

func (e *UsageError) Error() string { return e.Message }

// ExitCode makes it wrong use.
func (e *UsageError) ExitCode() int { return ExitUsage }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) *UsageError {
	return &UsageError{Message: fmt.Sprintf(format, args...)}
}

// SilentError ends the command with a code when it has said already all there is to say.
type SilentError struct{ Code int }

func (e *SilentError) Error() string { return fmt.Sprintf("exit %d", e.Code) }

// ExitCode is the code.
func (e *SilentError) ExitCode() int { return e.Code }

// ProblemError is an error answer of the server.
type ProblemError struct {
	Status  int
	Problem api.Problem
	// Locate turns the pointer of a finding into a place that its author knows, such as a line of a file; nil
	// leaves it.
	Locate func(pointer string) string
	// Next is a line about what to do; empty where the answer says it.
	Next string
}

func (e *ProblemError) Error() string {
	findings := e.findings()
	detail := Text(e.Problem.Detail)
	if len(findings) > 0 &&
		(strings.HasSuffix(detail, findings[0].Message) || strings.HasPrefix(detail, findings[0].Pointer+": "+findings[0].Message)) {
		// The problem as a whole says no more than its first finding.
		if len(findings) == 1 {
			return formatFinding(findings[0], e.Locate)
		}
		detail = ""
	}
	if detail != "" {
		return detail
	}
	if e.Problem.Title != "" {
		return e.Problem.Title
	}
	return fmt.Sprintf("the server responded with %d %s", e.Status, http.StatusText(e.Status))
}

func (e *ProblemError) findings() []api.Finding {
	if e.Problem.Errors == nil {
		return nil
	}
	return *e.Problem.Errors
}

// ExitCode tells what the user gave wrong from what went wrong.
func (e *ProblemError) ExitCode() int {
	if e.NeedsApproval() {
		return ExitApproval
	}
	switch e.Status {
	case http.StatusBadRequest,
		http.StatusNotFound,
		http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity:
		return ExitUsage
	}
	return ExitFailed
}

// NeedsApproval reports whether the server has asked another person to approve the change first.
func (e *ProblemError) NeedsApproval() bool { return e.Problem.Code == "approval-required" }

// Details are the findings, one line each, and what to do about the problem as a whole where that is known.
func (e *ProblemError) Details() []string {
	var lines []string
	message := e.Error()
	for _, finding := range e.findings() {
		if line := formatFinding(finding, e.Locate); line != message {
			lines = append(lines, line)
		}
	}
	lines = append(lines, e.users()...)
	if e.Next != "" {
		lines = append(lines, e.Next)
	}
	if e.Status >= http.StatusInternalServerError && e.Problem.RequestID != nil {
		lines = append(lines, "the log of the server names the request as "+*e.Problem.RequestID)
	}
	switch e.Status {
	case http.StatusUnauthorized:
		lines = append(lines,
			"sign in with berth login, or set an API key with BERTH_API_KEY, --api-key-file or api_key in the "+
				"configuration file")
	case http.StatusForbidden:
		if e.Problem.Code == "forbidden" {
			lines = append(lines, "berth whoami shows your roles and the pools in which they count; an admin can give you others")
		}
	}
	return lines
}

// users are what keeps an object from being deleted, one line each.
func (e *ProblemError) users() []string {
	if e.Problem.Users == nil {
		return nil
	}
	var lines []string
	for _, u := range *e.Problem.Users {
		line := fmt.Sprintf("%s %s", u.Kind, u.Name)
		if u.Pool != nil {
			line += " in pool " + *u.Pool
		}
		lines = append(lines, line)
	}
	if total := e.Problem.UsersTotal; total != nil && int(*total) > len(lines) {
		lines = append(lines, fmt.Sprintf("and %d more", int(*total)-len(lines)))
	}
	return lines
}

func formatFinding(f api.Finding, locate func(string) string) string {
	place := f.Pointer
	if locate != nil {
		place = locate(f.Pointer)
	}
	if f.Line != nil {
		place += fmt.Sprintf(":%d", *f.Line)
		if f.Column != nil {
			place += fmt.Sprintf(":%d", *f.Column)
		}
	}
	var b strings.Builder
	if place != "" {
		b.WriteString(place + ": ")
	}
	b.WriteString(f.Message)
	if f.Suggestion != nil && *f.Suggestion != "" {
		b.WriteString(" (" + *f.Suggestion + ")")
	}
	return b.String()
}

// FindingLine is a finding in one line: place, message and suggestion.
func FindingLine(f api.Finding) string { return formatFinding(f, nil) }

// UnreachableError means that the server did not respond, or that the response is not from Berth.
type UnreachableError struct {
	URL string
	Err error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach the server at %s: %v", e.URL, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Details say what to do.
func (e *UnreachableError) Details() []string {
	var untrusted *tls.CertificateVerificationError
	if errors.As(e.Err, &untrusted) {
		return []string{
			"its certificate is not trusted; set its certificate authority with --ca-file or BERTH_CA_FILE",
		}
	}
	return []string{
		"start a server with: berth dev, or set the URL of yours with --api-url or BERTH_API_URL",
	}
}

// ExitCode of an error: what it says of itself, and otherwise that the thing failed.
func ExitCode(err error) int {
	var coded interface{ ExitCode() int }
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &coded):
		return coded.ExitCode()
	}
	return ExitFailed
}

// PrintError writes an error for a person: one line, then one indented line per detail.
func (a *App) PrintError(cmd *cobra.Command, err error) {
	var silent *SilentError
	if errors.As(err, &silent) {
		return
	}
	style := a.Style(a.Err)
	a.Notef("%s %s", style.Failure("error:"), err)
	for _, line := range errorDetails(err) {
		a.Notef("  %s", line)
	}
	var usage *UsageError
	if errors.As(err, &usage) && usage.syntax && cmd != nil {
		a.Notef("  usage: %s", cmd.UseLine())
	}
}

func errorDetails(err error) []string {
	var usage *UsageError
	if errors.As(err, &usage) {
		return usage.Details
	}
	var detailed interface{ Details() []string }
	if errors.As(err, &detailed) {
		return detailed.Details()
	}
	return nil
}
