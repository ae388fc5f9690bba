package handler

import (
	"context"
	"net/http"
	"strings"

	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/problem"
)

// WithApprovals lets the handlers of governed operations ask the gate, and answers a change that needs an
// approval with a request for it.
func WithApprovals(gate *approval.Gate) apiserver.StrictMiddlewareFunc {
	return func(next apiserver.StrictHandlerFunc, operation string) apiserver.StrictHandlerFunc {
		if !approval.Governs(operation) {
			return next
		}
		return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
			query := r.URL.Query()
			reason := strings.TrimSpace(query.Get("break_glass"))
			if query.Has("break_glass") && reason == "" {
				return nil, problem.Newf(problem.InvalidParameter, "break_glass needs a reason")
			}
			ctx = approval.WithCall(ctx, operation, reason)
			response, err := next(ctx, w, r, request)
			if err != nil {
				return nil, gate.Answer(ctx, err)
			}
			return response, nil
		}
	}
}
