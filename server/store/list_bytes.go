package store

import "github.com/berth-dev/berth/server/store/database"

const (
	// listBatch is how many rows with large values are read at a time, and listBytes ends a page of them early: it
	// then has fewer items than were asked for, and a cursor.
	listBatch = 20
	listBytes = 4 << 20
)

// boundedPage reads a page of rows with large values. read returns up to limit rows after a key.
func boundedPage[T any](
	page Page, kind string, read func(after string, limit int) ([]T, error), key func(T) string, size func(T) int,
) ([]T, string, error) {
	after, err := page.After(kind)
	if err != nil {
		return nil, "", err
	}
	var rows []T
	for bytes := 0; ; {
		want := min(page.Size()-len(rows), listBatch)
		batch, err := read(after, want+1)
		if err != nil {
			return nil, "", err
		}
		more := len(batch) > want
		for _, row := range batch[:min(len(batch), want)] {
			rows, after = append(rows, row), key(row)
			bytes += size(row)
		}
		switch {
		case !more:
			return rows, "", nil
		case len(rows) >= page.Size() || bytes >= listBytes:
			return rows, database.NewCursor(kind, after), nil
		}
	}
}
