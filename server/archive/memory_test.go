package archive

import (
	"context"
	"runtime"
	"runtime/metrics"
	"testing"

	"github.com/berth-dev/berth/internal/s3test"
)

// TestAnUploadTakesBoundedMemory does not run beside others: it looks at the memory of the process.
func TestAnUploadTakesBoundedMemory(t *testing.T) {
	live := func() uint64 {
		runtime.GC()
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	for name, c := range map[string]func(t *testing.T) Config{
		"directory": func(t *testing.T) Config { return Config{URL: "file://" + t.TempDir()} },
		"S3":        func(t *testing.T) Config { return onGateway(s3test.Start(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, c(t))
			before, most := live(), uint64(0)
			row := []byte(noise(1, 64<<10))
			const rows = 1200 // 75 MiB that do not compress
			_, err := a.Create(t.Context(), "k", func(_ context.Context, w *Writer) error {
				for i := range rows {
					if _, err := w.Write(row); err != nil {
						return err
					}
					if i%100 == 0 {
						most = max(most, live())
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if most > before+32<<20 {
				t.Errorf("the upload holds %d MiB", (most-before)>>20)
			}
		})
	}
}
