package request

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/berth-dev/berth/server/problem"
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

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &problem.Error{
			Code:   problem.BodyTooSlow,
			Detail: fmt.Sprintf("the body was not complete after %s", BodyTimeout),
			Err:    err,
		}
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
	types := r.Header.Values("Content-Type")
	switch {
	case len(types) == 0 && !present:
		return nil
	case len(types) > 1:
		return problem.Newf(problem.UnsupportedMedia, "want one Content-Type, got %d", len(types))
	}
	declared := r.Header.Get("Content-Type")
	media, parameters, err := mime.ParseMediaType(declared)
	if err != nil || media != "application/json" {
		return problem.Newf(
			problem.UnsupportedMedia, "want Content-Type application/json, got %s", shown(declared))
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return problem.Newf(problem.UnsupportedMedia, "want JSON in UTF-8, got charset %s", shown(charset))
	}
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return problem.Newf(problem.UnsupportedMedia, "want no Content-Encoding, got %s", shown(encoding))
		}
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
