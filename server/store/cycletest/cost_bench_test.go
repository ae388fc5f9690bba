package cycletest

import "testing"

// BenchmarkCycleCost counts what a run writes on its way from due to completed. One operation is the count.
func BenchmarkCycleCost(b *testing.B) {
	const runs = 10_000
	for _, path := range []struct {
		name string
		path Path
	}{{"process", Process()}, {"kubernetes", Kubernetes()}} {
		b.Run(path.name, func(b *testing.B) {
			var c Cost
			for b.Loop() {
				c = path.path.Measure(b, runs)
			}
			report(b, c)
		})
	}
}

func report(b *testing.B, c Cost) {
	b.ReportMetric(c.Rows, "rows/op")
	b.ReportMetric(c.Deletes, "deletes/op")
	b.ReportMetric(c.IndexEntries, "index-entries/op")
	b.ReportMetric(c.WAL, "WAL-B/op")
	b.ReportMetric(c.HOTShare(), "HOT-share")
}
