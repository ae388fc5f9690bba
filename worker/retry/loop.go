package retry

import (
	"context"
	"errors"
	"time"
)

// Loop makes one kind of call to the server whenever something is due.
type Loop struct {
	Calls
	// Beat is called before every call, as a sign of life.
	Beat func()
	// Send makes the next call. It returns more if it made one and another may be due at once. It handles
	// errors that are not worth a retry itself.
	Send func(ctx context.Context) (more bool, err error)
	// Wake announces that something may be due. Without it, Send is called again after Every.
	Wake  <-chan struct{}
	Every time.Duration
}

// Run repeats Send until ctx ends or the server refuses the API key.
func (l *Loop) Run(ctx context.Context) error {
	timer := time.NewTimer(l.Every)
	defer timer.Stop()

	for {
		l.Beat()
		more, err := l.Send(ctx)
		if err != nil {
			if err := l.Failed(ctx, err); errors.Is(err, ErrStopped) {
				return nil
			} else if err != nil {
				return err
			}
			continue
		}

		l.Reset()
		if more {
			l.Contact.Reached()
			continue
		}

		timer.Reset(l.Every)
		select {
		case <-ctx.Done():
			return nil
		case <-l.Wake:
		case <-timer.C:
		}
	}
}
