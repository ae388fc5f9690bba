package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

// maxRetryAfter bounds how long a server may ask the worker to wait.
const maxRetryAfter = time.Minute

// Error is a call that failed.
type Error struct {
	Op string
	// Status is the HTTP status of the answer; 0 if there was no answer.
	Status int
	// Code and Detail are those of the server's problem document.
	Code, Detail string
	// RetryAfter is how long the server asked to wait; 0 if it did not.
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("%s: %v", e.Op, e.Err)
	}
	text := fmt.Sprintf("%s: the server answered %d", e.Op, e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Foreign() {
		text += " (not a Berth server: check the server's address and any proxy in between)"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Foreign reports whether the answer came from something other than a Berth server, such as an ingress that
// is being set up or a login page. Such an answer decides nothing about the call. The exception is 413: a
// body that something in between finds too large will be too large the next time as well.
func (e *Error) Foreign() bool {
	return e.Status != 0 && e.Status < 500 && e.Code == "" && e.Status != http.StatusRequestEntityTooLarge
}

// Denied reports whether the server refused the API key. Repeating the call will not help.
func (e *Error) Denied() bool {
	return !e.Foreign() && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

// Redirected reports whether the answer was a redirect, which is never followed: it would get the API key.
func (e *Error) Redirected() bool {
	var redirect *apiclient.RedirectError
	return errors.As(e.Err, &redirect)
}

// Temporary reports whether the same call may succeed later.
func (e *Error) Temporary() bool {
	if e.Foreign() {
		return true
	}
	switch e.Status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500
}

// AsError returns the *Error in err. Any other error counts as a call without an answer.
func AsError(err error) *Error {
	var failed *Error
	if errors.As(err, &failed) {
		return failed
	}
	return &Error{Op: "call the server", Err: err}
}

// decode returns the JSON body of a response with status 200.
func decode[T any](op string, response *http.Response, err error) (*T, error) {
	body, err := read(op, http.StatusOK, response, err)
	if err != nil {
		return nil, err
	}
	if !isJSON(response) {
		return nil, &Error{Op: op, Err: errors.New("the answer is not JSON: check any proxy in between")}
	}
	decoded := new(T)
	if err := json.Unmarshal(body, decoded); err != nil {
		return nil, &Error{Op: op, Err: fmt.Errorf("decode the answer: %w", err)}
	}
	return decoded, nil
}

// read returns the body of a response with the wanted status; any other status is an *Error.
func read(op string, want int, response *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, &Error{Op: op, Err: err}
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, &Error{Op: op, Err: err}
	}
	if response.StatusCode != want {
		return nil, errorOf(op, response, body)
	}
	return body, nil
}

func errorOf(op string, response *http.Response, body []byte) *Error {
	failed := &Error{
		Op:         op,
		Status:     response.StatusCode,
		RetryAfter: retryAfter(response),
		Err:        errors.New(http.StatusText(response.StatusCode)),
	}
	if !isJSON(response) {
		return failed
	}
	var problem api.Problem
	if err := json.Unmarshal(body, &problem); err != nil {
		return &Error{Op: op, Err: fmt.Errorf("decode the answer: %w", err)}
	}
	failed.Code, failed.Detail = problem.Code, problem.Title
	if problem.Detail != nil {
		failed.Detail = *problem.Detail
	}
	return failed
}

func isJSON(response *http.Response) bool {
	return strings.Contains(response.Header.Get("Content-Type"), "json")
}

// retryAfter reads the header in seconds, which is the form that the server uses.
func retryAfter(response *http.Response) time.Duration {
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds <= 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

// checkLength makes an answer of the wrong length an error that may pass.
func checkLength(op string, got, want int) error {
	if got == want {
		return nil
	}
	return &Error{Op: op, Err: fmt.Errorf("the server returned %d results for %d questions", got, want)}
}
