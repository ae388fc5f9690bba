package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

func TestErrorsBecomeProblemDocuments(t *testing.T) {
	secret := errors.New("pq: password of berth is hunter2")
	tests := []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"refusal", Newf(Frozen, "no").At("/a", "b"), 422, "frozen"},
		{"wrapped refusal", fmt.Errorf("create: %w", Newf(Forbidden, "no")), 403, "forbidden"},
		{
			"error of the store", &store.Error{Code: store.NotFound, Message: "no such pool", Err: secret},
			404, "not-found",
		},
		{
			"unavailable store", &store.Error{Code: store.Unavailable, Message: "not reachable", Err: secret},
			503, "unavailable",
		},
		{"unexpected error", secret, 500, "internal"},
		{"request timed out", context.DeadlineExceeded, 503, "unavailable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			Responder{Logger: slog.New(slog.DiscardHandler)}.Error(w,
				httptest.NewRequest(http.MethodGet, "/x", nil), test.err)
			var document api.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
				t.Fatal(err)
			}
			if w.Code != test.status || document.Code != test.code || int(document.Status) != test.status ||
				document.Title == "" {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("response contains the cause: %s", w.Body)
			}
		})
	}
}

func TestEveryCodeOfTheStoreHasAStatus(t *testing.T) {
	codes := []store.Code{
		store.NotFound, store.AlreadyExists, store.Conflict, store.PreconditionFailed,
		store.IdempotencyMismatch, store.PoolHasLiveRuns, store.PoolInUse, store.QueueInUse, store.VariableInUse,
		store.DeploymentHasLiveRuns, store.RunFinished, store.RunNotFinished, store.RunAmbiguous, store.RevisionChanged,
		store.LeaseHeld, store.InvalidCursor, store.Unavailable, store.QueryTimeout, store.ListTooLong,
		store.StorageFull, store.NoCompletedRun,
	}
	for _, code := range codes {
		if got := meaningOf(Code(code)).status; got == http.StatusInternalServerError {
			t.Errorf("%s has status 500", code)
		}
	}
}

func TestDisconnectedClientGetsNoResponse(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	Responder{Logger: slog.New(slog.DiscardHandler)}.Error(w,
		httptest.NewRequest(http.MethodGet, "/x", nil).WithContext(ctx), ctx.Err())
	if w.Body.Len() != 0 {
		t.Errorf("wrote %s", w.Body)
	}
}
