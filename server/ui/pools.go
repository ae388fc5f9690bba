package ui

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

// poolsView is the list of work pools.
type poolsView struct {
	Frame
	Pools         []poolRow
	Newest, Older string
}

// poolRow is a pool in the list.
type poolRow struct {
	api.WorkPool

	Queues  []api.WorkQueue
	Workers []api.Worker
}

// slotBar shows how many slots of a limit are used.
type slotBar struct {
	Used  int32
	Limit *int32
}

// Width of the bar is 100.
func (b slotBar) Width() int32 {
	const full = 100
	if b.Limit == nil {
		return 0
	}
	if *b.Limit <= b.Used {
		return full
	}
	return b.Used * full / *b.Limit
}

// Text says the same in words.
func (b slotBar) Text() string {
	if b.Limit == nil {
		return fmt.Sprintf("%s, no limit", number(b.Used))
	}
	return fmt.Sprintf("%s of %s", number(b.Used), number(*b.Limit))
}

// Above is how many attempts hold a slot above the limit: it was lowered while they ran.
func (b slotBar) Above() int32 {
	if b.Limit == nil || b.Used <= *b.Limit {
		return 0
	}
	return b.Used - *b.Limit
}

// Waiting counts what is due in all queues, and Oldest is since when the first of it is.
func (r poolRow) Waiting() int32 { return waiting(r.Queues) }

// Oldest is since when the first run is due.
func (r poolRow) Oldest() *time.Time {
	var oldest *time.Time
	for _, q := range r.Queues {
		if q.OldestDue != nil && (oldest == nil || q.OldestDue.Before(*oldest)) {
			oldest = q.OldestDue
		}
	}
	return oldest
}

// Alive counts the workers that are alive.
func (r poolRow) Alive() int { return alive(r.Workers) }

func waiting(queues []api.WorkQueue) int32 {
	var n int32
	for _, q := range queues {
		n += valueOf(q.Waiting)
	}
	return n
}

func alive(workers []api.Worker) int {
	n := 0
	for _, w := range workers {
		if w.Alive {
			n++
		}
	}
	return n
}

// poolsPage lists work pools.
func (s *Site) poolsPage(v *visit) (page, error) {
	f, err := v.newFrame("Pools", "Pools", "runs", "pool", "worker")
	if err != nil {
		return page{}, err
	}
	limit := int32(defaultLimit)
	cursor := v.cursor()
	list, err := value(v.api.ListWorkPoolsWithResponse(v.Context(), &api.ListWorkPoolsParams{Limit: &limit, Cursor: cursor}))
	if err != nil {
		return page{}, err
	}
	workers, err := value(v.api.ListWorkersWithResponse(v.Context(), nil))
	if err != nil {
		return page{}, err
	}
	view := poolsView{Frame: f, Pools: make([]poolRow, len(list.Items))}
	var calls errgroup.Group
	calls.SetLimit(callsAtOnce)
	for i, pool := range list.Items {
		row := &view.Pools[i]
		row.WorkPool = pool
		for _, w := range workers.Items {
			if w.Pool == pool.Name {
				row.Workers = append(row.Workers, w)
			}
		}
		calls.Go(func() error {
			queues, err := value(v.api.ListWorkQueuesWithResponse(v.Context(), pool.Name))
			row.Queues = queues.Items
			return err
		})
	}
	if err := calls.Wait(); err != nil {
		return page{}, err
	}
	if cursor != nil {
		view.Newest = v.without("cursor")
	}
	if list.NextCursor != nil {
		view.Older = v.with("cursor", *list.NextCursor)
	}
	return page{template: "pools", view: view}, nil
}

// poolView is one work pool.
type poolView struct {
	Frame
	Pool      api.WorkPool
	Queues    []api.WorkQueue
	Workers   []poolWorker
	Template  api.TemplateVersion
	Rules     []api.Rule
	Approvals []api.Approval
	Holders   []holder
	Longest   []longRun
	active    []api.Run // that hold slots, the oldest first
	Runs      []api.Run
	// Command starts a worker for this pool of this server.
	Command string
}

// poolWorker is a worker with runs that it holds, of a worker that is gone.
type poolWorker struct {
	api.Worker

	Held []api.Run
	// TakenOver is true where another worker can see what became of them: only one of the same cluster can.
	TakenOver bool
}

// More is how many attempts it holds beside the runs that are named.
func (w poolWorker) More() int { return int(w.ActiveAttempts) - len(w.Held) }

// holder is a deployment with how many of the longest runs it has.
type holder struct {
	Deployment string
	Runs       int
}

// longRun is a run that holds a slot, with how long runs of its deployment usually take.
type longRun struct {
	api.Run

	Usual time.Duration // 0 where none is known
}

// Since is since when the run holds its slot.
func (r longRun) Since() time.Time {
	if r.StartedAt != nil {
		return *r.StartedAt
	}
	return r.ScheduledTime
}

// UsualText is the usual duration as a reader says it.
func (r longRun) UsualText() string {
	if r.Usual == 0 {
		return ""
	}
	return length(r.Usual)
}

// Slow reports whether the run takes more than twice as long as usual.
func (r longRun) Slow() bool {
	return r.Usual > 0 && r.StartedAt != nil && time.Since(*r.StartedAt) > 2*r.Usual
}

// Bar of the pool's slots.
func (p poolView) Bar() slotBar { return slotBar{p.Pool.SlotsUsed, p.Pool.ConcurrencyLimit} }

// Alive counts the workers that are alive.
func (p poolView) Alive() int {
	n := 0
	for _, w := range p.Workers {
		if w.Alive {
			n++
		}
	}
	return n
}

// Waiting counts the runs that are due.
func (p poolView) Waiting() int32 { return waiting(p.Queues) }

// Subjects of the approvals.
func (p poolView) Subjects() []string {
	all := []string{}
	for _, s := range p.Pool.Approvals.Require {
		all = append(all, string(s))
	}
	return all
}

// holdersShown bounds the runs of which the page says who holds the slots.
const (
	holdersShown = 100
	longestShown = 10
	recentShown  = 10
)

// poolPage shows one work pool.
func (s *Site) poolPage(v *visit) (page, error) {
	name := v.path("pool")
	f, err := v.newFrame(name, "Pools", "pool:"+name, "worker", "queue", "approval", "rule")
	if err != nil {
		return page{}, err
	}
	view := poolView{Frame: f, Command: "berth worker start --pool " + shellWord(name) + " --api-url " + v.address()}
	if view.Pool, err = value(v.api.GetWorkPoolWithResponse(v.Context(), name)); err != nil {
		return page{}, err
	}
	if err := view.load(v); err != nil {
		return page{}, err
	}
	return page{template: "pool", view: view}, nil
}

// load asks for what belongs to the pool.
func (p *poolView) load(v *visit) error {
	ctx, name := v.Context(), p.Pool.Name
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(callsAtOnce)
	calls.Go(func() error {
		list, err := value(v.api.ListWorkQueuesWithResponse(ctx, name))
		p.Queues = list.Items
		return err
	})
	calls.Go(func() error {
		list, err := value(v.api.ListWorkersWithResponse(ctx, &api.ListWorkersParams{Pool: &name}))
		for _, w := range list.Items {
			p.Workers = append(p.Workers, poolWorker{Worker: w})
		}
		return err
	})
	calls.Go(into(&p.Template, func() (api.TemplateVersion, error) {
		return value(v.api.GetTemplateWithResponse(ctx, name, nil))
	}))
	calls.Go(func() error {
		list, err := value(v.api.ListPoolRulesWithResponse(ctx, name))
		p.Rules = list.Items
		return err
	})
	calls.Go(func() error {
		if !p.May("ListApprovals", name) {
			return nil
		}
		open := []api.ApprovalState{api.ApprovalOpen}
		list, err := value(v.api.ListApprovalsWithResponse(ctx, &api.ListApprovalsParams{Pool: &name, State: &open}))
		p.Approvals = list.Items
		return err
	})
	calls.Go(func() error {
		limit := int32(recentShown)
		list, err := value(v.api.ListRunsWithResponse(ctx, &api.ListRunsParams{Pool: &name, Limit: &limit}))
		p.Runs = list.Items
		return err
	})
	calls.Go(func() error { return p.loadHolders(ctx, v) })
	if err := calls.Wait(); err != nil {
		return err
	}
	return p.loadHeld(v)
}

// heldShown bounds the runs that are looked at for the ones that a worker held which is gone.
const heldShown = 20

// loadHeld asks which runs are held by workers that are gone.
func (p *poolView) loadHeld(v *visit) error {
	gone := map[string]*poolWorker{}
	for i, w := range p.Workers {
		if !w.Alive && w.ActiveAttempts > 0 {
			gone[w.Name] = &p.Workers[i]
			p.Workers[i].TakenOver = slices.ContainsFunc(p.Workers, func(other poolWorker) bool {
				return other.Alive && other.ClusterID == w.ClusterID
			})
		}
	}
	if len(gone) == 0 {
		return nil
	}
	details := make([]api.RunDetail, min(len(p.active), heldShown))
	calls, ctx := errgroup.WithContext(v.Context())
	calls.SetLimit(callsAtOnce)
	for i := range details {
		calls.Go(into(&details[i], func() (api.RunDetail, error) { return value(v.api.GetRunWithResponse(ctx, p.active[i].ID)) }))
	}
	err := calls.Wait()
	for _, one := range details {
		for _, attempt := range one.Attempts {
			if w := gone[attempt.Worker]; w != nil && attempt.EndedAt == nil {
				w.Held = append(w.Held, one.Run)
			}
		}
	}
	return err
}

// loadHolders asks who holds the slots, and how long their runs usually take.
func (p *poolView) loadHolders(ctx context.Context, v *visit) error {
	limit, oldestFirst := int32(holdersShown), api.ListRunsParamsSort("created")
	active := []api.StateType{api.PENDING, api.RUNNING, api.CANCELLING}
	list, err := value(v.api.ListRunsWithResponse(ctx, &api.ListRunsParams{
		Pool: &p.Pool.Name, State: &active, Limit: &limit, Sort: &oldestFirst,
	}))
	if err != nil {
		return err
	}
	p.active = list.Items
	runs := map[string]int{}
	for _, run := range list.Items {
		if runs[run.Deployment]++; runs[run.Deployment] == 1 {
			p.Holders = append(p.Holders, holder{Deployment: run.Deployment})
		}
		p.Longest = append(p.Longest, longRun{Run: run})
	}
	for i, h := range p.Holders {
		p.Holders[i].Runs = runs[h.Deployment]
	}
	sort.SliceStable(p.Holders, func(i, j int) bool { return p.Holders[i].Runs > p.Holders[j].Runs })
	sort.SliceStable(p.Longest, func(i, j int) bool { return p.Longest[i].Since().Before(p.Longest[j].Since()) })
	p.Longest = p.Longest[:min(len(p.Longest), longestShown)]
	return p.loadUsual(ctx, v)
}

// loadUsual asks for the median duration of each deployment that has one of the longest runs.
func (p *poolView) loadUsual(ctx context.Context, v *visit) error {
	from := v.site.Now().Add(-30 * day)
	usual := map[string]*time.Duration{}
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(callsAtOnce)
	for _, run := range p.Longest {
		if usual[run.Deployment] != nil {
			continue
		}
		median := new(time.Duration)
		usual[run.Deployment] = median
		calls.Go(func() error {
			known, err := value(v.api.GetDeploymentStatisticsWithResponse(ctx, run.Deployment,
				&api.GetDeploymentStatisticsParams{From: &from}))
			if isStatus(err, 404) { // it was deleted while its run goes on
				return nil
			}
			*median = secondsOf(valueOf(known.Duration.P50Seconds))
			return err
		})
	}
	if err := calls.Wait(); err != nil {
		return err
	}
	for i, run := range p.Longest {
		p.Longest[i].Usual = *usual[run.Deployment]
	}
	return nil
}

// shellWord quotes a name for a command where it has to be.
func shellWord(name string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:@", c)
	}
	if name != "" && !strings.ContainsFunc(name, func(c rune) bool { return !plain(c) }) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

func limitText(limit *int32) string {
	if limit == nil {
		return ""
	}
	return strconv.Itoa(int(*limit))
}
