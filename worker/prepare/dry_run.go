package prepare

import (
	"context"
	"log/slog"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// sampleKey stands for the API key of an attempt that is not run.
const sampleKey = "none: this is a dry run"

// PrepareDryRun prepares the Job of a question as that of an attempt. What is wrong with it is not counted and not logged,
// as no run has it.
func (p *Preparer) PrepareDryRun(ctx context.Context, q api.DryRunQuestion) (Prepared, error) {
	quiet := New(p.Options)
	quiet.Log = slog.New(slog.DiscardHandler)
	quiet.Rendered, quiet.Failed = func(string, time.Duration) {}, func(string) {}
	c := q.Claim
	if p.JobKeys {
		key := sampleKey
		c.JobKey = &key
	}
	if q.Document == nil {
		return quiet.render(ctx, c)
	}
	compiled, err := quiet.Templates.Compile(q.Document)
	err = compileError(ctx, err)
	if err != nil {
		return Prepared{}, quiet.refuse(err)
	}
	finished, err := quiet.buildFrom(ctx, c, compiled)
	if err != nil {
		return Prepared{}, quiet.refuse(err)
	}
	return quiet.finish(ctx, c, finished)
}
