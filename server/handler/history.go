package handler

import (
	"context"

	"github.com/berth-dev/berth/server/store"
)

// fromHistory makes a read one that a read replica may answer. An object of the filter that does not exist there yet
// may exist on the primary, which then answers.
func fromHistory[T any](read func(context.Context) (T, error)) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		answer, err := read(store.ForHistory(ctx))
		if store.IsCode(err, store.NotFound) {
			return read(ctx)
		}
		return answer, err
	}
}
