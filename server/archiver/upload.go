package archiver

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/store"
)

const (
	// slowest is the rate of an upload, in bytes of output a second, below which it is given up.
	slowest = 1 << 20
	// renewals is how often a lease is renewed while it lasts.
	renewals = 3
)

// upload stores an output, and returns the size of its object, 0 if nothing of the output is kept. It stops before
// the lease ends if that cannot be renewed.
func (a *Archiver) upload(
	ctx context.Context, u store.OutputUpload, acquired time.Time,
) (objectSize int64, err error) {
	longest := lease + time.Duration(u.Size/slowest)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("the upload took longer than %s", longest))
	defer cancel()
	ctx, stop := a.keepLease(ctx, u)
	defer stop()

	if time.Since(acquired) > lease/renewals { // it has waited for others of its batch
		if err := a.Store.RenewUpload(ctx, u, lease); err != nil {
			return 0, err
		}
	}
	first, err := a.Store.ListRowsOfOutput(ctx, u, u.ArchivedSize)
	if err != nil {
		return 0, err
	}
	if u.Object == "" && (len(first) == 0 || first[0].Offset >= u.Size) {
		return 0, nil // all of it has expired
	}
	objectSize, err = a.Archive.Create(ctx, u.Upload, func(ctx context.Context, w *archive.Writer) error {
		return a.write(ctx, u, w, first)
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return 0, cause
	}
	return objectSize, err
}

// write writes what was archived before, and all rows that follow.
func (a *Archiver) write(ctx context.Context, u store.OutputUpload, w *archive.Writer, rows []store.LogChunk) error {
	switch {
	case u.Object != "":
		if err := w.CopyObject(ctx, u.Object, u.ObjectSize); err != nil {
			return err
		}
		if w.Size() != u.ArchivedSize {
			return fmt.Errorf("object %s has %d bytes of output instead of %d", u.Object, w.Size(), u.ArchivedSize)
		}
	case u.ArchivedSize > 0: // what was archived has expired
		if err := w.Skip(u.ArchivedSize); err != nil {
			return err
		}
	}
	for len(rows) > 0 && rows[0].Offset < u.Size && w.Size() < u.Size {
		for _, row := range rows {
			if err := writeRow(w, row, u.Size); err != nil {
				return err
			}
		}
		var err error
		if rows, err = a.Store.ListRowsOfOutput(ctx, u, w.Size()); err != nil {
			return err
		}
	}
	return skipTo(w, u.Size) // the last rows may have expired meanwhile
}

// writeRow writes the part of a row up to an end: more may have been appended since the upload began.
func writeRow(w *archive.Writer, row store.LogChunk, end int64) error {
	if row.Offset >= end {
		return nil
	}
	if err := skipTo(w, row.Offset); err != nil {
		return err
	}
	for _, t := range row.Times {
		w.At(t.At)
	}
	_, err := w.Write([]byte(row.Text[:min(int64(len(row.Text)), end-row.Offset)]))
	return err
}

func skipTo(w *archive.Writer, offset int64) error {
	if missing := offset - w.Size(); missing > 0 {
		return w.Skip(missing)
	}
	return nil
}

// keepLease renews the lease of an upload until stop is called. The context ends when the lease is lost.
func (a *Archiver) keepLease(ctx context.Context, u store.OutputUpload) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(lease / renewals)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			switch err := a.Store.RenewUpload(ctx, u, lease); {
			case err == nil:
				last = time.Now()
			case store.IsCode(err, store.Conflict):
				cancel(err)
				return
			case time.Since(last) > lease-lease/renewals:
				cancel(fmt.Errorf("the lease of the upload was not renewed: %w", err))
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}
