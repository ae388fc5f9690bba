package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api/apispec"
	"github.com/berth-dev/berth/server/request"
)

// TestEveryRequestHasADeadline: an operation whose caller and database wait for ever ends all the same.
func TestEveryRequestHasADeadline(t *testing.T) {
	t.Parallel()
	spec, err := apispec.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	operations := request.Operations(spec)
	if len(operations) == 0 {
		t.Fatal("no operations")
	}
	for name, o := range operations {
		r, cancel := bounded(httptest.NewRequest(http.MethodGet, "/", nil), o)
		deadline, ok := r.Context().Deadline()
		cancel()
		if left := time.Until(deadline); !ok || !o.TakesLong() && left > requestTimeout {
			t.Errorf("%s may take %s (bounded: %t)", name, left, ok)
		}
	}
}
