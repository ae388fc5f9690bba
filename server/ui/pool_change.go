package ui

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/server/api"
)

// poolRoutes are the pages of work pools.
func (s *Site) poolRoutes(get, post func(path string, page pageFunc)) {
	get("/pools", s.poolsPage)
	get("/pools/{pool}", s.poolPage)
	both := func(path string, question, answer pageFunc) { get(path, question); post(path, answer) }
	const pool, queue, worker = "/pools/{pool}", "/pools/{pool}/queues/{queue}", "/pools/{pool}/workers/{worker}"
	both(pool+"/pause", asking(pausePoolQuestion(true)), answering(pausePoolQuestion(true), changePoolPause(true)))
	both(pool+"/resume", asking(pausePoolQuestion(false)), answering(pausePoolQuestion(false), changePoolPause(false)))
	both(pool+"/limit", asking(limitQuestion), s.changeLimit)
	both(queue+"/pause", asking(pauseQueueQuestion(true)), answering(pauseQueueQuestion(true), changeQueuePause(true)))
	both(queue+"/resume", asking(pauseQueueQuestion(false)), answering(pauseQueueQuestion(false), changeQueuePause(false)))
	both(queue+"/edit", asking(queueQuestion), answering(queueQuestion, changeQueue))
	both(worker+"/pause", asking(pauseWorkerQuestion(true)), answering(pauseWorkerQuestion(true), changeWorkerPause(true)))
	both(worker+"/resume", asking(pauseWorkerQuestion(false)), answering(pauseWorkerQuestion(false), changeWorkerPause(false)))
}

// questionFunc makes the question of an address.
type questionFunc func(v *visit) (questionView, error)

// asking answers with the question.
func asking(make questionFunc) pageFunc {
	return func(v *visit) (page, error) {
		q, err := make(v)
		return q.ask(), err
	}
}

// answering carries out what the form says and leads back to the pool, or asks again.
func answering(make questionFunc, change func(v *visit) error) pageFunc {
	return func(v *visit) (page, error) {
		err := change(v)
		if err == nil {
			return v.redirectTo("pools", v.path("pool")), nil
		}
		q, asked := make(v)
		if asked != nil {
			return page{}, asked
		}
		return q.again(v, err)
	}
}

// poolQuestion is a question about a pool, which leads back to it. There is none where the thing that it is about does not exist.
func (v *visit) poolQuestion(operation, heading, button string, exists func() error) (questionView, error) {
	f, err := v.newFrameTo(operation, v.path("pool"), heading, "Pools")
	if err == nil && exists != nil {
		err = exists()
	}
	return questionView{Frame: f, Heading: heading, Button: button, Back: f.To("pools", v.path("pool"))}, err
}

func (v *visit) poolExists() error {
	return check(v.api.GetWorkPoolWithResponse(v.Context(), v.path("pool")))
}

func (v *visit) queueExists() error {
	return check(v.api.GetWorkQueueWithResponse(v.Context(), v.path("pool"), v.path("queue")))
}

func (v *visit) workerExists() error {
	pool, name := api.PoolFilter(v.path("pool")), v.path("worker")
	list, err := value(v.api.ListWorkersWithResponse(v.Context(), &api.ListWorkersParams{Pool: &pool}))
	if err == nil && !slices.ContainsFunc(list.Items, func(w api.Worker) bool { return w.Name == name }) {
		err = refusal(http.StatusNotFound, "work pool %q has no worker %q", pool, name)
	}
	return err
}

var reasonField = field{
	Kind: "text", Name: "reason", Label: "Reason", Hint: "It is shown wherever the pause is.", Required: true,
}

func pausePoolQuestion(pause bool) questionFunc {
	return func(v *visit) (questionView, error) {
		name := v.path("pool")
		if !pause {
			q, err := v.poolQuestion("UpdateWorkPool", "Resume work pool "+name, "Resume", v.poolExists)
			q.Lines = []string{"Its workers claim runs again, the oldest of each queue first."}
			return q, err
		}
		q, err := v.poolQuestion("UpdateWorkPool", "Pause work pool "+name, "Pause", v.poolExists)
		q.Lines = []string{"Its workers claim no new runs until it is resumed. What runs goes on."}
		q.Fields = []field{reasonField}
		return q, err
	}
}

// pauseReason is the reason of a form; absent where nothing is paused.
func (v *visit) pauseReason(pause bool) *string {
	if !pause {
		return nil
	}
	return optional(v.PostFormValue("reason"))
}

func changePoolPause(pause bool) func(v *visit) error {
	return func(v *visit) error {
		return check(v.api.UpdateWorkPoolWithResponse(v.Context(), v.path("pool"), nil,
			api.WorkPoolUpdate{Paused: &pause, PauseReason: v.pauseReason(pause)}))
	}
}

func pauseQueueQuestion(pause bool) questionFunc {
	return func(v *visit) (questionView, error) {
		name := v.path("pool") + "/" + v.path("queue")
		if !pause {
			q, err := v.poolQuestion("UpdateWorkQueue", "Resume work queue "+name, "Resume", v.queueExists)
			q.Lines = []string{"Its runs are claimed again, in the order of the queues' priority."}
			return q, err
		}
		q, err := v.poolQuestion("UpdateWorkQueue", "Pause work queue "+name, "Pause", v.queueExists)
		q.Lines = []string{"Its runs are not claimed until it is resumed. What runs goes on, and the pool's other queues do."}
		q.Fields = []field{reasonField}
		return q, err
	}
}

func changeQueuePause(pause bool) func(v *visit) error {
	return func(v *visit) error {
		return check(v.api.UpdateWorkQueueWithResponse(v.Context(), v.path("pool"), v.path("queue"),
			api.WorkQueueUpdate{Paused: &pause, PauseReason: v.pauseReason(pause)}))
	}
}

func pauseWorkerQuestion(pause bool) questionFunc {
	return func(v *visit) (questionView, error) {
		name := v.path("worker")
		if !pause {
			q, err := v.poolQuestion("UpdateWorker", "Resume worker "+name, "Resume", v.workerExists)
			q.Lines = []string{"It claims runs again."}
			return q, err
		}
		q, err := v.poolQuestion("UpdateWorker", "Pause worker "+name, "Pause", v.workerExists)
		q.Lines = []string{"It claims no new runs until it is resumed. It goes on with the attempts that it holds."}
		q.Fields = []field{reasonField}
		return q, err
	}
}

func changeWorkerPause(pause bool) func(v *visit) error {
	return func(v *visit) error {
		return check(v.api.UpdateWorkerWithResponse(v.Context(), v.path("pool"), v.path("worker"),
			api.WorkerUpdate{Paused: pause, PauseReason: v.pauseReason(pause)}))
	}
}

// limitFields ask for a number of slots; empty is no limit.
func limitFields(limit *int32) []field {
	return []field{{Kind: "number", Name: "limit", Label: "Slots", Value: limitText(limit), Hint: "Empty for no limit; 0 allows none."}}
}

// limitOf reads such a field: a limit, or that there is none.
func (v *visit) limitOf() (limit *int32, none *bool, err error) {
	text := v.PostFormValue("limit")
	if text == "" {
		yes := true
		return nil, &yes, nil
	}
	n, err := number32("limit", text)
	return n, nil, err
}

func number32(name, text string) (*int32, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return nil, badParameter("%s: %q is no whole number below 2147483648", name, text)
	}
	small := int32(n)
	return &small, nil
}

// limitQuestion asks for the limit of a pool, and remembers the settings that it was asked for.
func limitQuestion(v *visit) (questionView, error) {
	name := v.path("pool")
	q, err := v.poolQuestion("UpdateWorkPool", "Limit of work pool "+name, "Save", nil)
	if err != nil {
		return q, err
	}
	got, err := v.api.GetWorkPoolWithResponse(v.Context(), name)
	pool, err := value(got, err)
	if err != nil {
		return q, err
	}
	bar := slotBar{pool.SlotsUsed, pool.ConcurrencyLimit}
	q.Lines = []string{fmt.Sprintf("Slots used: %s. Attempts above a lower limit run on; the next start when fewer run than the limit.", bar.Text())}
	q.Fields = append(limitFields(pool.ConcurrencyLimit), field{Kind: "hidden", Name: "etag", Value: got.HTTPResponse.Header.Get("ETag")})
	return q, nil
}

// changeLimit saves the limit of a pool, if its settings have not changed since it was shown.
func (s *Site) changeLimit(v *visit) (page, error) {
	limit, none, err := v.limitOf()
	if err == nil {
		err = check(v.api.UpdateWorkPoolWithResponse(v.Context(), v.path("pool"),
			&api.UpdateWorkPoolParams{IfMatch: optional(v.PostFormValue("etag"))},
			api.WorkPoolUpdate{ConcurrencyLimit: limit, NoConcurrencyLimit: none}))
	}
	if err == nil {
		return v.redirectTo("pools", v.path("pool")), nil
	}
	q, asked := limitQuestion(v)
	if asked != nil {
		return page{}, asked
	}
	if isStatus(err, http.StatusPreconditionFailed) {
		now := q.Fields[0].Value
		if now == "" {
			now = "none"
		}
		q.Lines = append(q.Lines, "The pool has changed meanwhile. Its limit is now "+now+". Saving replaces it.")
	}
	return q.again(v, err)
}

// queueQuestion asks for the priority, the limit and the objective of a queue.
func queueQuestion(v *visit) (questionView, error) {
	q, err := v.poolQuestion("UpdateWorkQueue", "Work queue "+v.path("pool")+"/"+v.path("queue"), "Save", nil)
	if err != nil {
		return q, err
	}
	queue, err := value(v.api.GetWorkQueueWithResponse(v.Context(), v.path("pool"), v.path("queue")))
	if err != nil {
		return q, err
	}
	q.Fields = append([]field{{
		Kind: "number", Name: "priority", Label: "Priority", Value: strconv.Itoa(int(queue.Priority)),
		Hint: "Lower numbers are served first.", Required: true,
	}}, limitFields(queue.ConcurrencyLimit)...)
	objective := ""
	if queue.Objective != nil {
		objective = *queue.Objective
	}
	q.Fields = append(q.Fields, field{
		Kind: "text", Name: "objective", Label: "Objective", Value: objective,
		Hint: "The longest that a due run is to wait, for alerts: 30s, 5m, 2h or 1d. Empty for none.",
	})
	return q, nil
}

func changeQueue(v *visit) error {
	limit, none, err := v.limitOf()
	if err != nil {
		return err
	}
	priority, err := number32("priority", v.PostFormValue("priority"))
	if err != nil {
		return err
	}
	change := api.WorkQueueUpdate{Priority: priority, ConcurrencyLimit: limit, NoConcurrencyLimit: none}
	if objective := strings.TrimSpace(v.PostFormValue("objective")); objective != "" {
		change.Objective = &objective
	} else {
		change.NoObjective = new(true)
	}
	return check(v.api.UpdateWorkQueueWithResponse(v.Context(), v.path("pool"), v.path("queue"), change))
}
