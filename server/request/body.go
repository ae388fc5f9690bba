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
	// MaxBody bounds what people send, in bytes.
	MaxBody = 4 << 20
	// MaxProtocolBody bounds what workers send, in bytes.
	MaxProtocolBody = 32 << 20
	// readTimeout bounds how long sending a body may take.
	readTimeout = time.Minute
)

type documentKey struct{}

// Document returns the body of a request as the JSON that was checked against the specification, with numbers
// as json.Number. It is nil for a request without a body, and for the worker protocol. Unlike typed decoding it
// tells null from absent.
func Document(ctx context.Context) any { return ctx.Value(documentKey{}) }

// read returns the body and refuses what is not JSON or larger than limit.
func read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	// A deadline for this body only: one for the connection would end long polls and streams.
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
			Detail: "the body could not be read to its end",
			Err:    err,
		}
	}
	return body, nil
}

func tooLarge(limit int64) error {
	return problem.Newf(problem.BodyTooLarge, "the body has more than %d bytes", limit)
}

// checkType refuses bodies that are not declared as JSON: a web page can send other types without asking
// first.
func checkType(r *http.Request, present bool) error {
	declared := r.Header.Get("Content-Type")
	if declared == "" && !present {
		return nil
	}
	media, parameters, err := mime.ParseMediaType(declared)
	if err != nil || media != "application/json" {
		return problem.Newf(problem.UnsupportedMedia, "send Content-Type: application/json, not %q", declared)
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return problem.Newf(problem.UnsupportedMedia, "send JSON in UTF-8, not in %q", charset)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" &&
		!strings.EqualFold(encoding, "identity") {
		return problem.Newf(
			problem.UnsupportedMedia,
			"send the body as it is, not in Content-Encoding %q",
			encoding,
		)
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
