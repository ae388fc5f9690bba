package ui

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A browser that leaves while a page is made must not end the server: each call runs in a separate goroutine.
func TestACallWithoutAnAnswerIsAnError(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		leaves  bool
	}{
		"the browser leaves":           {func(http.ResponseWriter, *http.Request) {}, true},
		"nothing is written":           {func(http.ResponseWriter, *http.Request) {}, false},
		"another kind of document":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("text")) }, false},
		"a success that has no answer": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, false},
		"a panic":                      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			if tc.leaves {
				leave()
			}
			client := newClient(tc.handler, httptest.NewRequest(http.MethodGet, "/runs", nil), http.Header{})
			_, err := value(client.GetInfoWithResponse(ctx))
			if err == nil || tc.leaves && !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
}
