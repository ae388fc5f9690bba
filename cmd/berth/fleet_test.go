package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

const (
	fleetServers   = 4
	fleetWorkers   = 16
	fleetPoolLimit = 7
	fleetNarrow    = 3
	fleetRuns      = 600 // BERTH_FLEET_RUNS sets another number
	fleetLosses    = 4   // servers killed on the way
)

// fleet is some servers on one PostgreSQL, and workers that ask any of them.
type fleet struct {
	t        *testing.T
	database string
	open     bool // nothing is limited, so that claims go beside each other
	servers  [fleetServers]atomic.Pointer[program]
	done     atomic.Int64
	want     int64
	failures atomic.Int64 // calls without an answer
	claims   atomic.Int64
}

func (f *fleet) start(i int) {
	f.servers[i].Store(
		startProgram(f.t, f.t.TempDir(), "server", "--listen", "127.0.0.1:0", "--auth", "none",
			"--database-url", f.database),
	)
}

// ask asks one server after another until one answers.
func ask[T any](
	ctx context.Context,
	f *fleet,
	call func(ctx context.Context, c *apiclient.ClientWithResponses) (*T, error),
) *T {
	for ctx.Err() == nil {
		c, err := apiclient.NewClientWithResponses(f.servers[rand.IntN(fleetServers)].Load().url)
		if err != nil {
			f.t.Error(err)
			return nil
		}
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		answer, err := call(limited, c)
		cancel()
		if err == nil && answer != nil {
			return answer
		}
		f.failures.Add(1)
	}
	return nil
}

func (f *fleet) work(ctx context.Context, name string) {
	session := uuid.New()
	hello := api.WorkerHello{
		Protocol: 1, Pool: "p", Worker: name, SessionID: session, Type: api.Process, ClusterID: "c",
	}
	if ask(ctx, f, func(ctx context.Context, c *apiclient.ClientWithResponses) (*api.WorkerWelcome, error) {
		r, err := c.WorkerHelloWithResponse(ctx, hello)
		if err != nil {
			return nil, err
		}
		return r.JSON200, nil
	}) == nil {
		return
	}
	for f.done.Load() < f.want && ctx.Err() == nil {
		request := api.ClaimRequest{
			RequestID: uuid.New(), Pool: "p", Worker: name, SessionID: session, ClusterID: "c",
			Max: int32(1 + rand.IntN(5)), WaitSeconds: 1,
		}
		answer := ask(
			ctx,
			f,
			func(ctx context.Context, c *apiclient.ClientWithResponses) (*api.ClaimResponse, error) {
				r, err := c.ClaimRunsWithResponse(ctx, request)
				if err != nil {
					return nil, err
				}
				return r.JSON200, nil
			},
		)
		if answer == nil {
			return
		}
		f.claims.Add(int64(len(answer.Claims)))
		var begin, end []api.Report
		for _, c := range answer.Claims {
			yes := true
			begin = append(begin,
				api.Report{AttemptID: c.AttemptID, Epoch: c.Epoch, Kind: api.ReportKindRunning})
			end = append(
				end,
				api.Report{
					AttemptID: c.AttemptID, Epoch: c.Epoch, Kind: api.ReportKindEnded,
					Succeeded: &yes,
				},
			)
		}
		f.report(ctx, name, begin)
		f.report(ctx, name, end)
		f.done.Add(int64(len(end)))
	}
}

func (f *fleet) report(ctx context.Context, name string, reports []api.Report) {
	if len(reports) == 0 {
		return
	}
	answer := ask(
		ctx,
		f,
		func(ctx context.Context, c *apiclient.ClientWithResponses) (*api.ReportResponse, error) {
			r, err := c.ReportAttemptsWithResponse(ctx,
				api.ReportRequest{Worker: name, Pool: "p", Reports: reports})
			if err != nil {
				return nil, err
			}
			return r.JSON200, nil
		},
	)
	if answer == nil {
		return
	}
	for i, r := range answer.Results {
		if r.Status != api.ReportResultStatusAccepted {
			f.t.Errorf("%s of attempt %s was answered %s", reports[i].Kind, reports[i].AttemptID, r.Status)
		}
	}
}

// TestServersThatAreKilledLoseNothingAndNeverOvershoot: four servers, sixteen workers, a pool of seven slots
// and a deployment of three, or of as many as there are, twenty schedules; servers are killed on the way, and
// PostgreSQL is restarted.
func TestServersThatAreKilledLoseNothingAndNeverOvershoot(t *testing.T) {
	testenv.Slow(t, "it runs four servers and sixteen workers")
	t.Parallel()
	runs := fleetRuns
	if given := os.Getenv("BERTH_FLEET_RUNS"); given != "" {
		var err error
		if runs, err = strconv.Atoi(given); err != nil {
			t.Fatal(err)
		}
	}
	for name, open := range map[string]bool{"with limits": false, "where nothing is limited": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sendFleet(t, open, runs)
		})
	}
}

func sendFleet(t *testing.T, open bool, runs int) {
	postgres := pgtest.Start(t)
	f := &fleet{t: t, database: postgres.CreateDatabase(t, "fleet"), open: open, want: int64(runs)}
	s, err := store.Open(t.Context(), store.Options{URL: f.database, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.fill(s, runs)
	f.wind(s)
	for i := range fleetServers {
		f.start(i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var workers sync.WaitGroup
	for i := range fleetWorkers {
		workers.Go(func() { f.work(ctx, fmt.Sprint("w", i)) })
	}
	f.disturb(postgres)
	workers.Wait()
	t.Logf("%d claims, %d calls without an answer", f.claims.Load(), f.failures.Load())
	f.inspect(s, runs)
	f.strike(s)
	f.strikes(s)
}

// limit is nil where nothing is limited.
func (f *fleet) limit(n int32) *int32 {
	if f.open {
		return nil
	}
	return &n
}

func (f *fleet) fill(s *store.Store, runs int) {
	f.t.Helper()
	_, err := s.CreatePool(f.t.Context(), store.NewPool{
		Name: "p", Type: "process", ConcurrencyLimit: f.limit(fleetPoolLimit), Template: store.TemplateDocument{Document: []byte(`{"job_configuration":{` + storetest.Manifest + `}}`)},
	}, "ada")
	if err == nil {
		err = s.InTx(f.t.Context(), func(tx *store.Tx) error {
			for _, d := range []store.Deployment{
				{Name: "narrow", Pool: "p", ConcurrencyLimit: f.limit(fleetNarrow)},
				{Name: "wide", Pool: "p"},
			} {
				if _, _, err := tx.UpsertDeployment(f.t.Context(), d, "ada"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for name, n := range map[string]int{"narrow": runs / 2, "wide": runs - runs/2} {
		for ; n > 0 && err == nil; n -= 1000 {
			_, err = s.CreateRuns(f.t.Context(), name, make([]store.NewRun, min(n, 1000)), "ada")
		}
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// disturb kills servers, each when so many runs are through, and starts others; half-way PostgreSQL is
// restarted.
func (f *fleet) disturb(postgres *pgtest.Server) {
	for n := range fleetLosses {
		f.through(int64(n+1) * f.want / (fleetLosses + 1))
		i := n % fleetServers
		f.servers[i].Load().end(f.t, syscall.SIGKILL)
		if n == fleetLosses/2 {
			postgres.Restart(f.t)
		}
		f.start(i)
	}
}

// through waits until so many runs are through.
func (f *fleet) through(n int64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for f.done.Load() < n && !f.t.Failed() {
		<-tick.C
	}
}

// inspect holds what was recorded against what must be.
func (f *fleet) inspect(s *store.Store, runs int) {
	f.t.Helper()
	all := map[string][]slot{}
	seen := 0
	for page := (store.Page{Limit: 200}); ; {
		list, next, err := s.ListRuns(f.t.Context(), store.RunFilter{Pool: "p"}, page)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, r := range list {
			seen++
			attempts, err := s.ListAttempts(f.t.Context(), r.ID)
			if err != nil {
				f.t.Fatal(err)
			}
			if r.State.Type != "COMPLETED" || len(attempts) != 1 || attempts[0].EndedAt == nil {
				f.t.Errorf("run %s of %s is %s with %d attempts", r.ID, r.Deployment, r.State.Type,
					len(attempts))
				continue
			}
			all[r.Deployment] = append(all[r.Deployment], slot{attempts[0].ClaimedAt, *attempts[0].EndedAt})
		}
		if page.Cursor = next.Cursor; page.Cursor == "" {
			break
		}
	}
	if seen != runs {
		f.t.Errorf("there are %d runs, want %d", seen, runs)
	}
	narrow, pool := most(all["narrow"]), most(slices.Concat(all["narrow"], all["wide"]))
	if !f.open && (narrow > fleetNarrow || pool > fleetPoolLimit) {
		f.t.Errorf(
			"there were up to %d slots of the deployment in use and %d of the pool, at most %d and %d are allowed",
			narrow, pool, fleetNarrow, fleetPoolLimit)
	}
	f.t.Logf("%d runs, up to %d slots of the deployment in use and %d of the pool", seen, narrow, pool)
}

// slot is in use from and until, by the database's time: a claim that found it free began after its end was
// committed.
type slot struct{ from, until time.Time }

// most is how many slots were in use at once.
func most(slots []slot) int {
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, s := range slots {
		changes = append(changes, change{s.from, 1}, change{s.until, -1})
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), a.by-b.by) })
	used, top := 0, 0
	for _, c := range changes {
		used += c.by
		top = max(top, used)
	}
	return top
}
