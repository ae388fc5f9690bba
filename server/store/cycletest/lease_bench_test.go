package cycletest

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

const (
	renewWorkers  = 100
	renewAttempts = 700 // of each worker
	renewEvery    = 10 * time.Second
)

// BenchmarkRenewals counts what it writes that a hundred workers renew the leases of 70,000 attempts, as often as workers
// do with the default lease: a third of it. One operation is the count.
func BenchmarkRenewals(b *testing.B) {
	const rounds = 20
	b.Run("sessions", func(b *testing.B) {
		l := NewLedger(b)
		Fill(b, l.Store, renewWorkers*renewAttempts)
		renewals := make([]store.Renewal, renewWorkers)
		for i := range renewals {
			renewals[i] = holding(b, l.Store, fmt.Sprint("renewing-", i), renewAttempts)
		}
		for b.Loop() {
			reportRenewals(b, l.Cost(b, rounds, func() error {
				for range rounds {
					for _, r := range renewals {
						lost, _, err := l.Store.RenewLeases(b.Context(), r)
						if err != nil || len(lost) > 0 {
							return fmt.Errorf("lost %d leases: %w", len(lost), err)
						}
					}
				}
				return nil
			}))
		}
	})
	b.Run("first-layout", func(b *testing.B) { // where each attempt had its lease
		l := NewLedger(b)
		first := FirstLayoutIn(b, l.Store.URL)
		first.Start(b, renewWorkers*renewAttempts)
		for b.Loop() {
			reportRenewals(b, l.Cost(b, 2, func() error {
				for range 2 {
					first.Renew(b)
				}
				return nil
			}))
		}
	})
}

// holding has a worker claim so many attempts, and returns their renewal.
func holding(b *testing.B, s *storetest.Store, worker string, attempts int) store.Renewal {
	b.Helper()
	r := store.Renewal{Session: storetest.SessionOf("p", worker), Lease: 3 * renewEvery}
	for len(r.Leases) < attempts {
		claims, err := claim(b.Context(), s, worker, attempts-len(r.Leases))
		if err != nil || len(claims) == 0 {
			b.Fatalf("claimed %d runs: %v", len(claims), err)
		}
		for _, c := range claims {
			r.Leases = append(r.Leases, leaseOf(c))
		}
	}
	return r
}

// reportRenewals reports what a round of renewals costs, as rates.
func reportRenewals(b *testing.B, c Cost) {
	b.ReportMetric(c.Rows/renewEvery.Seconds(), "rows/s")
	b.ReportMetric(c.WAL*float64(24*time.Hour)/float64(renewEvery), "WAL-B/day")
	b.ReportMetric(c.HOTShare(), "HOT-share")
}
