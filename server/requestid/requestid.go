// Package requestid gives each request an ID, which its answer, its problem document and the lines of the log name.
package requestid

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
)

// Header carries the ID in answers, and in requests whose sender has one already.
const Header = "X-Request-Id"

const maxLength = 64

type key struct{}

// Wrap gives each request an ID before next serves it. It keeps that of a proxy or a client if it is short and plain.
func Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(Header)
		if !isPlain(id) {
			id = rand.Text()
		}
		w.Header().Set(Header, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, id)))
	})
}

// Of returns the ID of the request that the context is of; empty: it is of none.
func Of(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

func isPlain(id string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+="
	return id != "" && len(id) <= maxLength && strings.Trim(id, plain) == ""
}
