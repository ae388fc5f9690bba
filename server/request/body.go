package request

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/problem"
)

const (
	// MaxBody bounds the bodies of ordinary requests, in bytes.
	MaxBody = 4 << 20
	// MaxProtocolBody bounds the bodies of the worker protocol, in bytes.
	MaxProtocolBody = 32 << 20
	// readTimeout bounds how long a client may take to send a body.
	readTimeout = time.Minute
)

type documentKey struct{}

// Document returns the body of a request as the JSON that was checked against the specification, with numbers
// as json.Number. It is nil for a request without a body, and for the worker protocol. Unlike typed decoding
// it tells null from absent.
func Document(ctx context.Context) any { return ctx.Value(documentKey{}) }

// readBody reads the body and refuses one that is larger than limit.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}

	// The deadline is for this body only. One for the whole connection would end long polls and streams.
	connection := http.NewResponseController(w)
	if err := connection.SetReadDeadline(time.Now().Add(readTimeout)); err != nil &&
		!errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err := connection.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}

	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge(limit)
	case err != nil:
		return nil, &problem.Error{
			Code:   problem.InvalidBody,
			Detail: "the body ended before it was complete",
			Err:    err,
		}
	}
	return body, nil
}

func tooLarge(limit int64) error {
	return problem.Newf(problem.BodyTooLarge, "the body exceeds %d bytes", limit)
}

// checkContentType refuses bodies that are not declared as JSON. A web page can send other types to a foreign
// server without a preflight request.
func checkContentType(r *http.Request, present bool) error {
	declared := r.Header.Get("Content-Type")
	if declared == "" && !present {
		return nil
	}
	media, parameters, err := mime.ParseMediaType(declared)
	if err != nil || media != "application/json" {
		return problem.Newf(problem.UnsupportedMedia, "want Content-Type application/json, got %q", declared)
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return problem.Newf(problem.UnsupportedMedia, "want JSON in UTF-8, got charset %q", charset)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" &&
		!strings.EqualFold(encoding, "identity") {
		return problem.Newf(problem.UnsupportedMedia, "want no Content-Encoding, got %q", encoding)
	}
	return nil
}

// withDocument returns the request with its body in its context.
func withDocument(r *http.Request, document any) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), documentKey{}, document))
}

// withBody returns the request with a body that was already read.
func withBody(r *http.Request, body []byte) *http.Request {
	r = r.WithContext(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}
