package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/server/problem"
)

// client calls the API in process, as whoever asks for a page: rights, limits, audit and refusals are those of the API, and
// no page can do what the API cannot.
type client = apiclient.ClientWithResponses

// passedOn are the headers by which the API knows who asks, and from where.
var passedOn = []string{
	"Authorization", "Cookie", "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "User-Agent", "X-Forwarded-For", "X-Forwarded-Proto",
}

// callsAtOnce bounds the calls beside each other for one page.
const callsAtOnce = 8

// newClient returns a client for one request of a browser. Cookies that the API sets go to the header of the answer.
func newClient(handler http.Handler, r *http.Request, answer http.Header) *client {
	return (&inProcess{handler: handler, from: r, answer: answer}).client()
}

func (c *inProcess) client() *client {
	made, err := apiclient.NewClientWithResponses("http://in-process", apiclient.WithHTTPClient(c))
	if err != nil {
		panic("ui: " + err.Error()) // the address is ours
	}
	return made
}

// inProcess is an HTTP client of a handler.
type inProcess struct {
	handler http.Handler
	from    *http.Request

	// breakGlass is the reason to make changes without an approval; empty: none is given.
	breakGlass string

	mu     sync.Mutex
	answer http.Header
	// refused is a change that needs an approval.
	refused *api.Problem
}

// Do implements apiclient.HttpRequestDoer.
func (c *inProcess) Do(call *http.Request) (*http.Response, error) {
	for _, name := range passedOn {
		for _, value := range c.from.Header.Values(name) {
			if call.Header.Get(name) == "" || name == "Cookie" {
				call.Header.Add(name, value)
			}
		}
	}
	if c.breakGlass != "" && call.Method != http.MethodGet {
		query := call.URL.Query()
		query.Set(breakGlassField, c.breakGlass)
		call.URL.RawQuery = query.Encode()
	}
	call.RemoteAddr, call.Host, call.TLS = c.from.RemoteAddr, c.from.Host, c.from.TLS
	call.RequestURI = call.URL.RequestURI()
	call.URL = &url.URL{Path: call.URL.Path, RawPath: call.URL.RawPath, RawQuery: call.URL.RawQuery}
	if call.Body == nil {
		call.Body = http.NoBody
	}
	answer := &recorder{header: http.Header{}, status: http.StatusOK}
	if err := answer.from(c.handler, call); err != nil {
		return nil, err
	}
	c.mu.Lock()
	for _, cookie := range answer.header.Values("Set-Cookie") {
		c.answer.Add("Set-Cookie", cookie)
	}
	if answer.status == http.StatusConflict {
		document := &api.Problem{}
		if err := json.Unmarshal(answer.body.Bytes(), document); err == nil && document.Code == string(problem.ApprovalRequired) {
			c.refused = document
		}
	}
	c.mu.Unlock()
	return &http.Response{
		StatusCode: answer.status, Header: answer.header, Body: io.NopCloser(&answer.body), Request: call,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(answer.body.Len()),
	}, nil
}

// recorder keeps an answer.
type recorder struct {
	header  http.Header
	status  int
	written bool
	body    bytes.Buffer
}

// from lets a handler answer. It runs beside the request for the page, where nothing else would recover from a panic.
func (r *recorder) from(handler http.Handler, call *http.Request) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("%s %s: %v\n%s", call.Method, call.URL.Path, caught, debug.Stack())
		}
	}()
	handler.ServeHTTP(r, call)
	if !r.written {
		return call.Context().Err() // the browser has disconnected, so that the API has not answered
	}
	return nil
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if !r.written {
		r.status, r.written = status, true
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(data []byte) (int, error) {
	r.written = true
	return r.body.Write(data)
}

// apiError is an answer of the API that is no success.
type apiError struct {
	api.Problem
	status int
}

func (e *apiError) Error() string {
	if e.Detail != nil && *e.Detail != "" {
		return *e.Detail
	}
	return e.Title
}

// isStatus reports whether an error is an answer of the API with that status.
func isStatus(err error, status int) bool {
	var answered *apiError
	return errors.As(err, &answered) && answered.status == status
}

// response has the methods that all responses of the client share.
type response interface {
	StatusCode() int
	GetApplicationProblemJSONDefault() *api.Problem
}

// value returns the document of a response with status 200.
func value[T any](r interface {
	response
	GetJSON200() *T
}, err error) (T, error) {
	if err := check(r, err); err != nil {
		return *new(T), err
	}
	return document(r, r.GetJSON200())
}

// created returns the document of a response with status 201.
func created[T any](r interface {
	response
	GetJSON201() *T
}, err error) (T, error) {
	if err := check(r, err); err != nil {
		return *new(T), err
	}
	return document(r, r.GetJSON201())
}

// document returns what was read of a response: nothing if the API has answered with something else.
func document[T any](r response, read *T) (T, error) {
	if read == nil {
		return *new(T), fmt.Errorf("the API answered with status %d and not the document of the page", r.StatusCode())
	}
	return *read, nil
}

// check turns a response that is no success into an error.
func check(r response, err error) error {
	if err != nil {
		return err
	}
	if status := r.StatusCode(); status < 200 || status >= 300 {
		refusal := r.GetApplicationProblemJSONDefault()
		if refusal == nil {
			refusal = &api.Problem{Title: http.StatusText(status)}
		}
		return &apiError{Problem: *refusal, status: status}
	}
	return nil
}

// into returns a call for an errgroup that stores its answer.
func into[T any](place *T, call func() (T, error)) func() error {
	return func() (err error) {
		*place, err = call()
		return err
	}
}
