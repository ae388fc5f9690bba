package problem

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/store"
)

const typePrefix = "https://berth.dev/problems/"

// Responder writes errors as problem documents.
type Responder struct{ Logger *slog.Logger }

// Error answers with what err says. Causes without a code are logged and hidden.
func (p Responder) Error(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // the caller has gone; nobody reads an answer
	}
	known := From(err)
	meaning := meanings(known.Code)
	path := apikey.Mask(r.URL.Path) // people paste keys where they do not belong
	switch {
	case meaning.status >= http.StatusInternalServerError:
		p.Logger.Error("request failed", "method", r.Method, "path", path, "code", known.Code, "error", err)
	case meaning.status == http.StatusUnauthorized, meaning.status == http.StatusForbidden:
		p.Logger.Info(
			"request refused",
			"method",
			r.Method,
			"path",
			path,
			"code",
			known.Code,
			"from",
			r.RemoteAddr,
			"reason",
			apikey.Mask(known.Detail),
		)
	}
	document := Document(known)
	document.Instance = &path
	body, err := json.Marshal(document)
	if err != nil {
		p.Logger.Error("encode problem document", "error", err)
		body = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal"}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	switch known.Code {
	case Unauthenticated:
		header.Set("WWW-Authenticate", `Bearer realm="berth"`)
	case Unavailable:
		header.Set("Retry-After", "1")
	}
	if known.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(known.RetryAfter.Seconds()))))
	}
	w.WriteHeader(meaning.status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		p.Logger.Debug("write problem document", "error", err)
	}
}

// From returns the refusal that an error holds; an error of any other kind is Internal and tells nothing.
func From(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var stored *store.Error
	if errors.As(err, &stored) {
		return &Error{Code: Code(stored.Code), Detail: stored.Message, Err: stored.Err}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: Unavailable, Detail: "the request took too long; try again", Err: err}
	}
	return &Error{Code: Internal, Detail: "the server's log says more", Err: err}
}

// Document is the problem document of a refusal.
func Document(e *Error) api.Problem {
	meaning := meanings(e.Code)
	document := api.Problem{
		Type: typePrefix + string(
			e.Code,
		), Title: meaning.title, Status: int32(meaning.status), Code: string(e.Code),
	}
	if e.Detail != "" {
		detail := apikey.Mask(e.Detail)
		document.Detail = &detail
	}
	if len(e.Findings) > 0 {
		findings := slices.Clone(e.Findings)
		for i := range findings {
			findings[i].Message = apikey.Mask(findings[i].Message)
		}
		document.Errors = &findings
	}
	return document
}
