package cluster

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

// Warnings collects what the API server warns of in its answers, as of a pod that a stricter Pod Security level would
// reject.
type Warnings struct {
	mu    sync.Mutex
	texts []string
}

type warningsKey struct{}

// CollectWarnings returns a context whose requests add to the Warnings.
func CollectWarnings(ctx context.Context) (context.Context, *Warnings) {
	w := &Warnings{}
	return context.WithValue(ctx, warningsKey{}, w), w
}

// Texts are the warnings, each once, in their order.
func (w *Warnings) Texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.texts...)
}

func (w *Warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.texts, text) {
		w.texts = append(w.texts, text)
	}
}

// warningHandler gives the API server's warnings to who collects them. All others are logged at debug level: it warns about
// every Job that a stricter Pod Security level would reject.
type warningHandler struct{ log *slog.Logger }

func (w warningHandler) HandleWarningHeaderWithContext(ctx context.Context, _ int, agent, text string) {
	if collected, ok := ctx.Value(warningsKey{}).(*Warnings); ok {
		collected.add(text)
		return
	}
	w.log.Debug("API server warning", "agent", agent, "warning", text)
}
