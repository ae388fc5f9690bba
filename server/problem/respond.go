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
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/requestid"
	"github.com/berth-dev/berth/server/store"
)

const typePrefix = "https://berth.dev/problems/"

// Responder writes errors as problem documents.
type Responder struct{ Logger *slog.Logger }

// Error responds with the problem document of err. Server errors are logged; their cause is not sent.
func (p Responder) Error(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // the client has disconnected
	}

	refusal := From(err)
	meaning := meaningOf(refusal.Code)
	path := Clip(apikey.Mask(r.URL.Path)) // users paste API keys into the wrong place
	id := requestid.Of(r.Context())
	switch {
	case meaning.status >= http.StatusInternalServerError:
		p.Logger.Error("request failed", "method", r.Method, "path", path, "code", refusal.Code, "request", id, "error", err)
	case meaning.status == http.StatusUnauthorized, meaning.status == http.StatusForbidden:
		p.Logger.Info("request refused", "method", r.Method, "path", path, "code", refusal.Code,
			"from", r.RemoteAddr, "request", id, "reason", apikey.Mask(refusal.Detail))
	}

	document := Document(refusal)
	document.Instance = &path
	if id != "" {
		document.RequestID = &id
	}
	body, err := json.Marshal(document)
	if err != nil {
		p.Logger.Error("cannot encode problem document", "request", id, "error", err)
		body = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal"}`)
	}

	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	switch refusal.Code {
	case Unauthenticated:
		header.Set("WWW-Authenticate", `Bearer realm="berth"`)
	case Unavailable:
		header.Set("Retry-After", "1")
	}
	if refusal.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(refusal.RetryAfter.Seconds()))))
	}
	w.WriteHeader(meaning.status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		p.Logger.Debug("cannot write problem document", "error", err)
	}
}

// From returns the refusal that err wraps. Any other error becomes Internal, whose detail reveals nothing.
func From(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var stored *store.Error
	if errors.As(err, &stored) {
		return &Error{
			Code: Code(stored.Code), Detail: stored.Message, Err: stored.Err,
			Users: stored.Users, UsersTotal: stored.UsersTotal,
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: Unavailable, Detail: "the request timed out; try again", Err: err}
	}
	return &Error{Code: Internal, Detail: "see the server log for the cause", Err: err}
}

// Bounds of a problem document: what a client sent is not sent back at length.
const (
	maxFindings = 100
	maxDetail   = 8 << 10 // bytes
	maxClip     = 300     // bytes
)

// Document returns the problem document of a refusal.
func Document(e *Error) api.Problem {
	meaning := meaningOf(e.Code)
	document := api.Problem{
		Type: typePrefix + string(e.Code), Title: meaning.title,
		Status: int32(meaning.status), Code: string(e.Code),
	}
	if e.Detail != "" {
		detail := apikey.Mask(cut(e.Detail, maxDetail))
		document.Detail = &detail
	}
	if len(e.Findings) > 0 {
		findings := slices.Clone(e.Findings[:min(len(e.Findings), maxFindings)])
		for i := range findings {
			findings[i].Message = apikey.Mask(cut(findings[i].Message, maxDetail))
		}
		document.Errors = &findings
	}
	if e.UsersTotal > 0 {
		total := int32(min(e.UsersTotal, math.MaxInt32))
		users := inUse(e.Users)
		document.Users, document.UsersTotal = &users, &total
	}
	if len(e.Approvals) > 0 {
		document.Approvals = &e.Approvals
	}
	return document
}

// inUse converts what uses an object. A user without a valid ID is left out.
func inUse(users []store.User) []api.InUse {
	converted := make([]api.InUse, 0, len(users))
	for _, u := range users[:min(len(users), maxFindings)] {
		id, err := uuid.Parse(u.ID)
		if err != nil {
			continue
		}
		one := api.InUse{Kind: api.InUseKind(u.Kind), ID: id, Name: apikey.Mask(u.Name)}
		if u.Pool != "" {
			one.Pool = &u.Pool
		}
		converted = append(converted, one)
	}
	return converted
}

// Clip cuts a text of a request, such as a path, for a message.
func Clip(text string) string { return cut(text, maxClip) }

// cut cuts a text to a number of bytes, with a mark.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
