package kube

import (
	"context"
	"log/slog"
)

// warnings writes what the API server warns of to our log. It warns of every Job that a stricter Pod Security
// level would refuse, so that is for those who look for it.
type warnings struct{ log *slog.Logger }

func (w warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, agent, text string) {
	w.log.Debug("the API server warns", "agent", agent, "warning", text)
}
